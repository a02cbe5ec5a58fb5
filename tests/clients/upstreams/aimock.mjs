// CopilotKit's aimock as an upstream: it answers from fixtures, cuts where it is told to, and keeps a journal.

/** `answers` says what it answers: `[part of the question, response, options]`, as its `onMessage` takes them. */
export async function startAimock(answers) {
  const { LLMock } = await import('@copilotkit/aimock').catch(() => {
    throw new Error('@copilotkit/aimock is missing: run make setup');
  });
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent' });
  for (const answer of answers) mock.onMessage(...answer);
  await mock.start();
  return {
    url: `${mock.url}/v1`,
    mock,
    /** What it has answered, and whether its client left before the end. */
    journal: () => mock.getRequests(),
    close: () => mock.stop(),
  };
}
