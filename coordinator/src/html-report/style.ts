// The style sheet of the report: light and dark, from a phone to a wide screen, and on paper.
import { COLOURS } from './palette.js';

type Shade = 'light' | 'dark';

const hues = (shade: Shade) =>
  Object.entries(COLOURS)
    .map(([name, { [shade]: value }]) => `--${name}: ${value};`)
    .join(' ');

const LIGHT = `--ink: #1a1d21; --muted: #5b636e; --line: #d5d9df; --page: #f5f6f8; --card: #ffffff; ${hues('light')}`;
const DARK = `--ink: #e8eaed; --muted: #a3abb6; --line: #3a4048; --page: #15181c; --card: #1e2227; ${hues('dark')}`;

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
@media print { :root { ${LIGHT} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main, header { max-width: 1320px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 24px; }
h1 { font-size: 1.6rem; margin: 0 0 .2em; }
h2 { font-size: 1.35rem; margin: 2.2em 0 .5em; padding-top: .6em; border-top: 2px solid var(--line); overflow-wrap: anywhere; }
h3 { font-size: 1.1rem; margin: 1.8em 0 .5em; overflow-wrap: anywhere; }
h3 small { font-weight: normal; color: var(--muted); margin-left: .5em; }
h4 { font-size: .95rem; margin: 0 0 .3em; }
p { max-width: 75ch; margin: .5em 0; }
a { color: var(--blue); }
.muted, figcaption { color: var(--muted); }
nav ul, ul.notes { padding-left: 1.2em; }
nav ul ul { display: flex; flex-wrap: wrap; gap: 0 .8em; padding: 0; list-style: none; font-size: .875rem; }
nav a { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: .8em 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; min-width: 100%; }
th, td { padding: 5px 12px; text-align: right; white-space: nowrap; vertical-align: bottom; }
th { white-space: normal; min-width: 4.5em; font-weight: 600; border-bottom: 1px solid var(--line); }
tbody tr + tr td { border-top: 1px solid var(--line); }
.left { text-align: left; }
details { margin: .5em 0; font-size: .8125rem; color: var(--muted); }
summary { cursor: pointer; }
.small { font-size: .8125rem; }
.charts + .charts { margin-top: 14px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); gap: 14px; align-items: start; }
figure { margin: 0; padding: 12px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; break-inside: avoid; }
figure > svg { display: block; width: 100%; max-width: 460px; height: auto; margin: 0 auto; overflow: visible; }
figcaption { font-size: .8125rem; line-height: 1.4; margin-top: .4em; }
ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 14px; margin: .3em 0 0; padding: 0; font-size: .8125rem; }
ul.legend li { display: inline-flex; align-items: center; gap: 5px; overflow-wrap: anywhere; }
ul.legend svg { flex: none; }
.swatch { width: 14px; height: 14px; background: var(--blue); outline: 1px solid var(--line); }
footer { max-width: 1320px; margin: 3em auto 2em; padding: 0 16px; color: var(--muted); font-size: .8125rem; }
svg text { fill: var(--ink); }
svg .marked-name text { fill: var(--muted); }
`;
