export interface Palette {
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly faint: (text: string) => string
  readonly strong: (text: string) => string
}

/** Colours on a terminal only, and not when NO_COLOR (no-color.org) is set. */
export function paletteFor(stream: Pick<NodeJS.WriteStream, 'isTTY'>, env: NodeJS.ProcessEnv): Palette {
  const coloured = stream.isTTY && !env.NO_COLOR
  const paint = (on: number, off: number) => (text: string) =>
    coloured ? `\u001b[${on}m${text}\u001b[${off}m` : text
  return { good: paint(32, 39), bad: paint(33, 39), faint: paint(2, 22), strong: paint(1, 22) }
}
