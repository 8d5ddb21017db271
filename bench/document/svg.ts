/**
 * Just enough SVG for the plots: drawn for 390 pixels, so that a phone shows them as they are, in colours for light and dark.
 * Where text and bars stand is computed here and nowhere else, and the same report always gives the same bytes.
 */

export const WIDTH = 390
export const MARGIN = 12

export interface Drawing {
  title: string
  /** What the plot says, for those who do not see it. */
  description: string
  height: number
  /** Elements made by the functions below. */
  parts: readonly string[]
}

const STYLE = `
    text { fill: #14233b } .small { font-size: 11px; fill: #45556e } .value { font-weight: 600 }
    .right { text-anchor: end } .middle { text-anchor: middle }
    .a { fill: #2563a8 } .b { fill: #e0993f } .c { fill: #2e7d4f } .bad { fill: #b3372f }
    .stroke-a { stroke: #2563a8 } .stroke-b { stroke: #e0993f }
    .mark { stroke: #14233b; stroke-width: 2 } .grid { stroke: #ccd5e1 } .line { fill: none; stroke-width: 2 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e8eef8 } .small { fill: #aebdd3 }
      .a { fill: #5b9be0 } .b { fill: #d98e34 } .c { fill: #4caf78 } .bad { fill: #ef7a70 }
      .stroke-a { stroke: #5b9be0 } .stroke-b { stroke: #d98e34 }
      .mark { stroke: #e8eef8 } .grid { stroke: #3a4a62 }
    }
  `

export function draw({ title, description, height, parts }: Drawing): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="560" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-labelledby="title desc">
  <title id="title">${escape(title)}</title>
  <desc id="desc">${escape(description)}</desc>
  <style>${STYLE}</style>
  ${parts.join('\n  ')}
</svg>
`
}

export function text(x: number, y: number, said: string, classes = ''): string {
  return `<text${classOf(classes)} x="${round(x)}" y="${round(y)}">${escape(said)}</text>`
}

export function rectangle(x: number, y: number, width: number, height: number, classes: string): string {
  const size = `width="${round(Math.max(0, width))}" height="${height}"`
  return `<rect${classOf(classes)} x="${round(x)}" y="${round(y)}" ${size} rx="2"/>`
}

export function line(x1: number, y1: number, x2: number, y2: number, classes: string): string {
  return `<line${classOf(classes)} x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`
}

export function circle(x: number, y: number, classes: string): string {
  return `<circle${classOf(classes)} cx="${round(x)}" cy="${round(y)}" r="4"/>`
}

export function path(points: readonly { x: number; y: number }[], classes: string): string {
  return `<polyline${classOf(`line ${classes}`)} points="${points.map(({ x, y }) => `${round(x)},${round(y)}`).join(' ')}"/>`
}

function classOf(classes: string): string {
  return classes === '' ? '' : ` class="${classes}"`
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function escape(said: string): string {
  return said.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
