// What the messages of runs add up to, on any wire: the oracle of the tests, which shares no code with the page.

/** Takes the messages of one stream, and fails where they contradict each other. */
export class AnswerLog {
  hellos = [];
  /** What each run has: `{ text, status, model, deltas, snapshots, end }`. */
  runs = new Map();
  problems = [];
  #ids = new Set();

  fault(problem) {
    this.problems.push(String(problem));
  }

  /** The answer of a run; `undefined` before its first message. */
  get(run) {
    return this.runs.get(run);
  }

  /** Takes a document of any kind. */
  take(document) {
    const { event, data, id } = document;
    if (event === 'tricast.hello') this.hellos.push(document);
    if (event === 'tricast.gap') this.problems.push(`a gap: ${JSON.stringify(document)}`);
    const [, kind] = event?.match(/^tricast\.llm\.(.*)$/) ?? [];
    if (!kind) return;
    if (kind !== 'snapshot' && this.#ids.has(id)) this.problems.push(`${id} came twice`);
    this.#ids.add(id);
    if (kind === 'snapshot') for (const run of data.runs) this.#replace(run).snapshots += 1;
    else this[`_${kind}`](data);
  }

  _start({ run, model }) {
    if (this.runs.has(run)) this.problems.push(`${run} started twice`);
    this.#of(run).model = model;
  }

  _delta({ run, choices }) {
    const answer = this.#of(run);
    if (answer.status !== 'open') this.problems.push(`a delta behind the end of ${run}`);
    answer.deltas += 1;
    for (const { index, at, delta } of choices) {
      if (index !== 0) continue;
      const have = Buffer.byteLength(answer.text.replace(/[\uD800-\uDBFF]$/, ''));
      if (at !== have) this.problems.push(`a delta at ${at} of ${run}, of which ${have} are here`);
      answer.text += delta.content ?? '';
    }
  }

  _end(data) {
    const answer = this.#replace(data);
    if (answer.status !== 'open') this.problems.push(`${data.run} ended twice`);
    Object.assign(answer, { status: data.status, end: data });
  }

  #replace({ run, choices }) {
    const answer = this.#of(run);
    const text = choices.find(({ index }) => index === 0)?.message.content ?? '';
    if (!text.startsWith(answer.text))
      this.problems.push(`${run} had ${answer.text.length} characters, and got others`);
    answer.text = text;
    return answer;
  }

  #of(run) {
    const answer = { text: '', status: 'open', model: '', deltas: 0, snapshots: 0, end: null };
    if (!this.runs.has(run)) this.runs.set(run, answer);
    return this.runs.get(run);
  }
}
