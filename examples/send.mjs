// Shows how a backend publishes to one user, to everybody in a room, and to a user who is offline.
//
//   node examples/send.mjs [URL]
const gateway = process.argv[2] ?? process.env.TRICAST_URL ?? 'http://127.0.0.1:8080';

async function publish(channel, data, query = '') {
  const response = await fetch(`${gateway}/publish/${encodeURIComponent(channel)}${query}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(data),
  });
  return { status: response.status, ...(await response.json()) };
}

/** Subscribes to the room as a user; every connection of a user also receives that user's own channel. */
async function listen(user) {
  const leave = new AbortController();
  const response = await fetch(`${gateway}/chunked/room?user=${user}`, { signal: leave.signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const waiting = [];
  let rest = '';
  return {
    async next() {
      while (!waiting.length) {
        const { value, done } = await reader.read();
        if (done) throw new Error('the stream ended');
        const lines = (rest + value).split('\n');
        rest = lines.pop();
        // Blank lines are heartbeats; control frames are not messages.
        waiting.push(
          ...lines
            .filter(Boolean)
            .map((line) => JSON.parse(line))
            .filter(({ event }) => !event.startsWith('tricast.')),
        );
      }
      return waiting.shift();
    },
    leave: () => leave.abort(),
  };
}

async function main() {
  const [alice, bob] = [await listen('alice'), await listen('bob')];

  const direct = await publish('@alice', 'for your eyes only');
  console.log(`to @alice: ${direct.subscribers} subscriber`);
  const all = await publish('room', 'hello everybody');
  console.log(`to the room: ${all.subscribers} subscribers`);

  for (const [name, person, count] of [
    ['alice', alice, 2],
    ['bob', bob, 1],
  ]) {
    for (let i = 0; i < count; i += 1) {
      const { channel, data } = await person.next();
      console.log(`${name} receives on ${channel}: ${data}`);
    }
  }

  const nobody = await publish('@carol', 'are you there?');
  console.log(`to @carol: ${nobody.subscribers} subscribers`);
  const insisted = await publish('@carol', 'are you there?', '?require_online=true');
  console.log(`to @carol with require_online: ${insisted.status} ${insisted.type}`);

  alice.leave();
  bob.leave();
}

main().catch((error) => {
  const reason = error.cause ? `no answer from ${gateway}: ${error.cause.message}` : error.message;
  console.error(reason);
  process.exit(1);
});
