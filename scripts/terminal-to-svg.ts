/** Draws what `tmux capture-pane -e -p` printed as a picture of a terminal window: text with colours in, SVG out. */

const FONT_PX = 14;
const COLUMN_PX = 8.43; // of a monospace font at this size: 0.602 em
const LINE_PX = 20;
const PADDING_PX = 18;
const BAR_PX = 34;
const BACKGROUND = '#16181d';
const FOREGROUND = '#d7dae0';
const SIXTEEN =
  '#5c6370 #e06c75 #98c379 #e5c07b #61afef #c678dd #56b6c2 #d7dae0 #7f848e #ff7b86 #b5e08f #ffd68a #7cc4ff #da8cf0 #6fd3df #ffffff'.split(
    ' ',
  );

const ESCAPE = '\u001b[';
/** A change of style; in parentheses, so that split() gives it too */
const SGR = new RegExp(`(${ESCAPE.replace('[', '\\[')}[0-9;]*m)`);

type Style = {
  foreground: string | null;
  background: string | null;
  isBold: boolean;
  isDim: boolean;
  isSwapped: boolean;
};
type Run = { text: string; column: number; style: Style };

const PLAIN: Style = { foreground: null, background: null, isBold: false, isDim: false, isSwapped: false };

export function terminalToSvg(captured: string, { title, columns }: { title: string; columns: number }): string {
  const lines = readLines(captured.trimEnd());
  const width = Math.ceil(columns * COLUMN_PX + 2 * PADDING_PX);
  const height = BAR_PX + lines.length * LINE_PX + 2 * PADDING_PX - 6;
  const rows = lines.flatMap((runs, row) => runs.map((run) => drawRun(run, row)));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">
<style>text { font: ${FONT_PX}px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; white-space: pre }</style>
<rect width="${width}" height="${height}" rx="9" fill="${BACKGROUND}"/>
${['#ff5f57', '#febc2e', '#28c840'].map((colour, index) => `<circle cx="${20 + index * 18}" cy="17" r="5.5" fill="${colour}"/>`).join('\n')}
<text x="${width / 2}" y="22" text-anchor="middle" fill="${SIXTEEN[8]}">${escapeXml(title)}</text>
${rows.join('\n')}
</svg>
`;
}

/** The style goes on from one line to the next, as it does on a terminal. */
function readLines(captured: string): Run[][] {
  let style = PLAIN;
  return captured.split('\n').map((line) => {
    const runs: Run[] = [];
    let column = 0;
    for (const part of line.trimEnd().split(SGR)) {
      const codes = part.startsWith(ESCAPE) ? part.slice(2, -1) : undefined;
      if (codes !== undefined) {
        style = withCodes(style, codes.split(';').map(Number));
      } else if (part !== '') {
        runs.push({ text: part, column, style });
        column += [...part].length;
      }
    }
    return runs;
  });
}

function withCodes(before: Style, codes: number[]): Style {
  const style = { ...before };
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index] as number;
    if (code === 0) Object.assign(style, PLAIN);
    else if (code === 1) style.isBold = true;
    else if (code === 2) style.isDim = true;
    else if (code === 7) style.isSwapped = true;
    else if (code === 22) style.isBold = style.isDim = false;
    else if (code === 27) style.isSwapped = false;
    else if (code === 39) style.foreground = null;
    else if (code === 49) style.background = null;
    else if (code === 38 || code === 48) {
      const colour =
        codes[index + 1] === 5 ? colourOf(codes[index + 2] as number) : `rgb(${codes.slice(index + 2, index + 5)})`;
      style[code === 38 ? 'foreground' : 'background'] = colour;
      index += codes[index + 1] === 5 ? 2 : 4;
    } else if (code >= 30 && code <= 37) style.foreground = colourOf(code - 30);
    else if (code >= 40 && code <= 47) style.background = colourOf(code - 40);
    else if (code >= 90 && code <= 97) style.foreground = colourOf(code - 82);
    else if (code >= 100 && code <= 107) style.background = colourOf(code - 92);
  }
  return style;
}

/** One of a terminal's 256 colours: sixteen named ones, a cube of 6 × 6 × 6, and 24 greys. */
function colourOf(index: number): string {
  if (index < 16) return SIXTEEN[index] as string;
  if (index >= 232) return `rgb(${Array(3).fill(8 + 10 * (index - 232))})`;
  const level = (step: number) => (step === 0 ? 0 : 55 + 40 * step);
  const cube = index - 16;
  return `rgb(${[Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map(level)})`;
}

function drawRun({ text, column, style }: Run, row: number): string {
  const own = { fill: style.foreground ?? FOREGROUND, behind: style.background };
  const { fill, behind } = style.isSwapped ? { fill: own.behind ?? BACKGROUND, behind: own.fill } : own;
  const x = (PADDING_PX + column * COLUMN_PX).toFixed(1);
  const widthPx = ([...text].length * COLUMN_PX).toFixed(1);
  const top = BAR_PX + PADDING_PX - 6 + row * LINE_PX;
  const box = behind ? `<rect x="${x}" y="${top}" width="${widthPx}" height="${LINE_PX}" fill="${behind}"/>` : '';
  if (text.trim() === '') return box;
  const weight = `${style.isBold ? ' font-weight="bold"' : ''}${style.isDim ? ' opacity="0.6"' : ''}`;
  const place = `x="${x}" y="${top + 15}" textLength="${widthPx}" lengthAdjust="spacingAndGlyphs" xml:space="preserve"`;
  return `${box}<text ${place} fill="${fill}"${weight}>${escapeXml(text)}</text>`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
