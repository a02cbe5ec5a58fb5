// What one client received, so that clients can be compared with the file and with each other.
export class Ledger {
  constructor(name) {
    Object.assign(this, { name, messages: [], hellos: [], alive: [], control: [], problems: [] });
  }

  /** Takes one document in the order in which the client gave it out. */
  take(document) {
    if (document.event === 'tricast.hello') this.hellos.push(document);
    else if (document.event === 'tricast.alive') this.alive.push(document);
    else if (document.event.startsWith('tricast.')) this.control.push(document);
    else this.messages.push(document);
  }

  fault(problem) {
    this.problems.push(String(problem));
  }

  /** The data of the newest message. */
  get newest() {
    return this.messages.at(-1)?.data;
  }
  get data() {
    return this.messages.map((message) => message.data);
  }
  get ids() {
    return this.messages.map((message) => message.id);
  }
}

/** The number in a message id; grows with every message. */
export const seq = (id) => Number(id.split('-')[1]);
