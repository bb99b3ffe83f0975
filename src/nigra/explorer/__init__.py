"""A local web page over a study: codes and brain, linked. Loopback only, read-only, nothing fetched."""
