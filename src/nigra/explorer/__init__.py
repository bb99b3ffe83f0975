"""A local web page over a study: codes and brain side by side, linked. Loopback only, read-only, nothing fetched."""
