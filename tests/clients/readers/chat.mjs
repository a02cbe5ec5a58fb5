// Programs that ask a model with the libraries of its interface, unmodified. Each resolves to what has come and to what it raised.
import { fileURLToPath } from 'node:url';
import { run } from '../child.mjs';
import { python } from './programs.mjs';

const { default: OpenAI } = await import('openai').catch(() => {
  throw new Error('the npm package openai is missing: run make setup');
});

/** Each asks the questions one after the other at `url`, and resolves to `[{ text, error }]`; the error is null if nothing was raised. */
export const chatClients = {
  'openai for Node': async (url, questions) => {
    const client = new OpenAI({ baseURL: url, apiKey: 'none', maxRetries: 0 });
    const answers = [];
    for (const content of questions) {
      const answer = { text: '', error: null };
      try {
        const messages = [{ role: 'user', content }];
        const request = { model: 'gpt-4o', messages, stream: true };
        for await (const { choices } of await client.chat.completions.create(request))
          answer.text += choices[0].delta.content ?? '';
      } catch (error) {
        answer.error = String(error);
      }
      answers.push(answer);
    }
    return answers;
  },
  'openai for Python': inPython('chat_openai.py'),
  'LangChain': inPython('chat_langchain.py'),
};

function inPython(name) {
  const program = fileURLToPath(new URL(name, import.meta.url));
  return async (url, questions) => {
    const input = questions.map((question) => `${JSON.stringify(question)}\n`).join('');
    const { code, output, errors } = await run(python, ['-u', program, url], { input });
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${errors}`);
    return output.trim().split('\n').map(JSON.parse);
  };
}
