// The gateway's settings for an upstream, and the requests of its native interface.

/** A model by its name, or as `{ name, model }` if the upstream has another name for it. */
const modelEntry = (entry) =>
  entry.name
    ? `{ name = ${JSON.stringify(entry.name)}, model = ${JSON.stringify(entry.model)} }`
    : JSON.stringify(entry);

/**
 * Lets anybody ask the `models` of the upstream at `url`; `upstream` and `relay` are further keys of the sections `[[llm]]` and
 * `[relay]`, in TOML.
 */
export function settingsFor({ url, models = ['script'] }, { upstream = {}, relay = {} } = {}) {
  const keys = { url: JSON.stringify(url), models: `[${models.map(modelEntry)}]`, ...upstream };
  const inline = Object.entries(keys).map(([key, value]) => `${key} = ${value}`);
  return {
    LLM: `[{ name = "main", ${inline.join(', ')} }]`,
    'access.prompt': 'anyone',
    ...Object.fromEntries(Object.entries(relay).map(([key, value]) => [`relay.${key}`, value])),
  };
}

/** Asks in `channel`; resolves to `{ run, channel, id }`. `more` is what else the body says. */
export const ask = (gateway, channel, question, more = {}) =>
  post(`${gateway.url}/llm/${channel}`, {
    messages: [{ role: 'user', content: question }],
    ...more,
  });

export const cancel = (gateway, run) => post(`${gateway.url}/llm/runs/${run}/cancel`);

export const report = async (gateway, run) => answer(await fetch(`${gateway.url}/llm/runs/${run}`));

const post = async (url, body) =>
  answer(
    await fetch(url, {
      method: 'POST',
      ...(body && {
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
    }),
  );

async function answer(response) {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} from ${response.url}: ${text}`);
  return JSON.parse(text);
}
