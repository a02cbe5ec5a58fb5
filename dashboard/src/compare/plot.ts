// Plots as SVG text, for a page that stands alone.

/** One wire's points, left to right. */
export interface Series {
  name: string;
  colour: string;
  points: [x: number, y: number][];
}

interface Scale {
  title: string;
  spell: (value: number) => string;
  log?: boolean;
}

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [640, 230, 70, 40, 24];

/** Lines over common axes. */
export function plot(series: Series[], x: Scale, y: Scale): string {
  const all = series.flatMap(({ points }) => points);
  if (!all.length) return '';
  const [low, high] = bounds(
    all.map(([at]) => at),
    x.log,
  );
  const top = Math.max(...all.map(([, value]) => value)) * 1.1 || 1;
  const on = (value: number) => (x.log ? Math.log(value) : value);
  const place = ([at, value]: [number, number]): [number, number] => [
    LEFT + ((on(at) - on(low)) / (on(high) - on(low))) * (WIDTH - LEFT - 12),
    HEIGHT - BOTTOM - (value / top) * (HEIGHT - BOTTOM - TOP),
  ];
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const columns = ticks.map((share) =>
    x.log ? low * (high / low) ** share : low + share * (high - low),
  );
  const grid = [
    ...columns.map((at, n) =>
      text(
        place([at, 0])[0],
        HEIGHT - BOTTOM + 16,
        n === columns.length - 1 ? 'end' : 'middle',
        x.spell(at),
      ),
    ),
    ...ticks.map((share) => {
      const [, level] = place([low, share * top]);
      return `<line x1="${LEFT}" x2="${WIDTH - 12}" y1="${level}" y2="${level}" stroke="currentColor" opacity=".15"/>${text(LEFT - 8, level + 4, 'end', y.spell(share * top))}`;
    }),
    text((LEFT + WIDTH) / 2, HEIGHT - 6, 'middle', x.title),
  ];
  const legend = series.map(
    ({ name, colour }, n) =>
      `<text x="${LEFT + 90 * n}" y="${TOP - 8}" fill="${colour}" font-weight="600">${name}</text>`,
  );
  const lines = series.map(
    ({ colour, points }) =>
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points
        .map((point) =>
          place(point)
            .map((c) => c.toFixed(1))
            .join(','),
        )
        .join(' ')}"/>`,
  );
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${y.title}">${legend.join('')}${grid.join('')}${lines.join('')}</svg>`;
}

function bounds(values: number[], log = false): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (low < high) return [low, high];
  return log ? [low / 2, high * 2] : [low - 1, high + 1];
}

function text(x: number, y: number, anchor: string, content: string): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${content}</text>`;
}
