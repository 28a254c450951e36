import { styleText } from 'node:util'

export interface Palette {
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly faint: (text: string) => string
  readonly strong: (text: string) => string
}

/** Colours on a terminal only, and not when NO_COLOR (no-color.org) is set. */
export function paletteFor(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Palette {
  const coloured = stream.isTTY && !env.NO_COLOR
  const paint = (format: Parameters<typeof styleText>[0]) => (text: string) =>
    coloured ? styleText(format, text) : text
  return { good: paint('green'), bad: paint('yellow'), faint: paint('dim'), strong: paint('bold') }
}
