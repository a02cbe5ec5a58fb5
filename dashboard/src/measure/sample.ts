// Raw values in bounded memory, for exact quantiles.

/** Values to keep; of more than these, each value is kept with the same probability. */
const MAX_VALUES = 8192;

export class Sample {
  readonly values: number[] = [];
  count = 0;
  max = 0;

  add(value: number): void {
    this.count += 1;
    this.max = Math.max(this.max, value);
    // Algorithm R: Vitter, "Random sampling with a reservoir" (1985).
    const place =
      this.count <= MAX_VALUES ? this.count - 1 : Math.floor(Math.random() * this.count);
    if (place < MAX_VALUES) this.values[place] = value;
  }
}
