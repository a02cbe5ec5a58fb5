// The tabs at the top of the page: they lead to its sections and show which one is in sight.

import { byId, goTo, within } from './dom.ts';

/** The share of the window at whose height a section counts as the one that is read. */
const READING_LINE = 0.3;

/** Leads to a section and marks its tab, whichever control asked for it. */
export interface Navigation {
  goTo: (id: string) => void;
}

export function setUpNavigation(): Navigation {
  const nav = within<HTMLElement>(document, 'nav');
  const tabs = [...nav.querySelectorAll<HTMLElement>('[data-goto]')];
  const target = (tab: HTMLElement) => byId(tab.dataset.goto ?? '');
  /** The tab that was chosen last, until the visitor scrolls: its section may be too far down. */
  let chosen: HTMLElement | null = null;
  let scheduled = false;
  const update = () => {
    scheduled = false;
    // A section that this gateway has no use for is hidden, and so is its tab.
    const shown = tabs.filter(({ hidden }) => !hidden);
    markCurrent(nav, tabs, chosen ?? shown[currentIndex(shown.map(target))]);
    showHiddenEdges(nav);
  };
  const choose = (tab: HTMLElement) => {
    goTo(target(tab).id);
    chosen = tab;
    update();
  };
  for (const tab of tabs) {
    tab.addEventListener('click', () => choose(tab));
  }
  // What the visitor does inside the chosen section does not leave it.
  const leave = ({ type, target: at }: Event) => {
    const isInside = type === 'pointerdown' && chosen && target(chosen).contains(at as Node);
    if (!isInside) chosen = null;
  };
  for (const leaving of ['wheel', 'touchmove', 'keydown', 'pointerdown']) {
    addEventListener(leaving, leave, { passive: true });
  }
  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(update);
  };
  addEventListener('scroll', schedule, { passive: true });
  addEventListener('resize', schedule);
  nav.addEventListener('scroll', schedule, { passive: true });
  // A section that grows, as a report does, moves those below it without a scroll.
  new ResizeObserver(schedule).observe(document.body);
  update();
  return {
    goTo(id) {
      const tab = tabs.find((one) => one.dataset.goto === id);
      if (tab) choose(tab);
    },
  };
}

/** Returns the index of the last section that begins above the reading line. */
function currentIndex(sections: HTMLElement[]): number {
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
  if (atEnd && scrollY > 0) return sections.length - 1;
  const tops = sections.map((section) => Math.round(section.getBoundingClientRect().top));
  const last = tops.findLastIndex((top) => top <= innerHeight * READING_LINE);
  // Of sections side by side the first one counts.
  return last < 0 ? 0 : tops.indexOf(tops[last] ?? 0);
}

function markCurrent(nav: HTMLElement, tabs: HTMLElement[], current: HTMLElement | undefined) {
  if (!current || current.hasAttribute('aria-current')) return;
  for (const tab of tabs) tab.removeAttribute('aria-current');
  current.setAttribute('aria-current', 'true');
  // Only sideways: `scrollIntoView` would also move the page.
  nav.scrollLeft = current.offsetLeft - (nav.clientWidth - current.offsetWidth) / 2;
}

/** Marks the edges beyond which there are more tabs. */
function showHiddenEdges(nav: HTMLElement) {
  const { scrollLeft, clientWidth, scrollWidth } = nav;
  const edges = [scrollLeft > 2 && 'left', scrollLeft + clientWidth < scrollWidth - 2 && 'right'];
  const more = edges.filter(Boolean).join(' ');
  if (more) nav.dataset.more = more;
  else delete nav.dataset.more;
}
