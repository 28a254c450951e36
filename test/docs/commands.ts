import type { Command } from 'commander'
import { commandLine } from '../../src/cli/command-line.js'

/** A command line in a page, as a shell takes it apart. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain ?? '',
  )
}

/** Every `otel-audit …` of a page: in a line of text, a table, or a block. */
export function commandsIn(page: string): string[] {
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, code = '']) =>
    code.replaceAll('\\\n', ' ').split('\n'),
  )
  const inline = [...page.matchAll(/`(otel-audit [^`]+)`/g)].map(([, code = '']) => code)
  return [...blocks, ...inline]
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .flatMap((line) => /(otel-audit .*?)(?: >>? .*| \|.*)?$/.exec(line)?.[1] ?? [])
}

/** What is wrong with a command line, by what the program knows; undefined: nothing. */
export function problemOf(line: string): string | undefined {
  const [, ...words] = wordsOf(line)
  let command: Command = commandLine()
  for (;;) {
    const [word = ''] = words
    const child = command.commands.find((known) => known.name() === word)
    if (child === undefined) break
    command = child
    words.shift()
  }
  if (command.commands.length > 0) return `there is no command "${words[0]}"`
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    const option = command.options.find(({ long }) => long === word)
    if (option === undefined) return `${command.name()} has no ${word}`
    if (option.required || (option.optional && words[i + 1]?.startsWith('--') === false)) i++
    // At its end a flag may be only named.
    if (option.required && words[i]?.startsWith('--') === true) return `${word} has no value`
  }
  return undefined
}
