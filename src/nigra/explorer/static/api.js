// Questions to the server. The token stands behind # in the address, which no browser sends by itself.

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

async function ask(path, parameters) {
  const address = `/api/${path}?${new URLSearchParams(parameters)}`;
  let answer;
  try {
    answer = await fetch(address, { headers: { "X-Nigra-Token": token } });
  } catch {
    throw new Error("The server does not answer; start `nigra explore` again and open the address it prints.");
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  let sentence = text;
  try { sentence = JSON.parse(text).error ?? text; } catch { /* a plain sentence */ }
  throw new Error(sentence || `the server refused (${answer.status})`);
}

export async function json(path, parameters = {}) {
  return (await ask(path, parameters)).json();
}

export async function bytes(path, parameters) {
  return (await ask(path, parameters)).arrayBuffer();
}

// Float32 numbers and their shape; fit: of points laid over others, how well the two meet
export async function floats(path, parameters) {
  const answer = await ask(path, parameters);
  const shape = answer.headers.get("X-Shape").split(",").map(Number);
  const fit = JSON.parse(answer.headers.get("X-Fit") ?? "null");
  return { shape, fit, values: new Float32Array(await answer.arrayBuffer()) };
}
