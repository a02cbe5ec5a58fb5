#!/usr/bin/env node
// Asks a model through the gateway with OpenAI's SDK (npm install openai@6). All listeners of CHANNEL receive the answer as well.
//
//   node examples/llm.mjs QUESTION [CHANNEL]
//
// API_KEY in the environment has the token or API key of the gateway, if it requires one; the key of the model stays with the gateway.
import OpenAI from 'openai';

const gateway = process.env.TRICAST_URL ?? 'http://127.0.0.1:8080';
const [question, channel = 'chat'] = process.argv.slice(2);
if (!question) {
  console.error('usage: node llm.mjs QUESTION [CHANNEL]');
  process.exit(2);
}

try {
  const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: process.env.API_KEY ?? 'none' });
  const models = await client.models.list();
  const stream = await client.chat.completions.create(
    { model: models.data[0].id, messages: [{ role: 'user', content: question }], stream: true },
    { headers: { 'Tricast-Channel': channel } },
  );
  for await (const { choices } of stream) process.stdout.write(choices[0]?.delta.content ?? '');
  console.log();
} catch (error) {
  // Also for an answer that breaks off: the gateway says so in the stream.
  console.error(`${error.name}: ${error.message}`);
  process.exit(1);
}
