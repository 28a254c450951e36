import { Command } from 'commander'
import { afterEach, describe, expect, test } from 'vitest'
import { commandLine } from '../../src/cli/command-line.js'
import { addFilterFlags, addReadFlags, filterOf, formatOf } from '../../src/cli/read-flags.js'
import { parseFilter } from '../../src/query/filter.js'
import { FILTER_FIELDS } from '../../src/query/filter-fields.js'

// The command line as its users type it, in this process; what a command does is tested by running it.

/** The help of a command, with what is printed before and after it. */
function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (part) => void (text += part) }).outputHelp()
  return text
}

function leavesOf(command: Command, path: readonly string[] = []): (readonly [string, Command, Command])[] {
  return command.commands.flatMap((child) => {
    const name = [...path, child.name()]
    return child.commands.length === 0 ? [[name.join(' '), child, command] as const] : leavesOf(child, name)
  })
}

/** A command that fails by an exception, and prints nothing. */
function aCommand(): Command {
  return new Command('x').exitOverride().configureOutput({ writeErr: () => {}, outputError: () => {} })
}

describe('each command', () => {
  const leaves = leavesOf(commandLine())

  test('is known by one name', () => {
    const names = leaves.map(([name]) => name)
    expect(names.length).toBeGreaterThan(15)
    expect(new Set(names).size).toBe(names.length)
  })

  test.each(leaves)('%s says what it does, with an example and its exit codes', (name, command, group) => {
    expect(command.description()).toMatch(/^[A-Z].*\.$/s)
    const help = helpOf(command) + helpOf(group)
    expect(help).toMatch(new RegExp(`\\$ (?:.* )?otel-audit ${name}\\b`))
    expect(help).toContain('Exit code: 0 ')
  })

  test.each(leaves)('%s explains each of its flags', (_name, { options }) => {
    for (const { flags, description } of options) expect([flags, description]).not.toEqual([flags, ''])
  })
})

test.each([
  ['an unknown command', ['qurey'], /unknown command 'qurey'.*Did you mean query\?/s],
  ['an unknown flag', ['query', '--credental', 'x'], /unknown option '--credental'.*--credential/s],
  ['a flag without its value', ['query', '--credential'], /argument missing/],
])('%s is said, with what was meant', async (_name, argv, said) => {
  let text = ''
  const program = commandLine()
  for (const command of [program, ...program.commands]) {
    command.configureOutput({
      writeErr: (part) => void (text += part),
      outputError: (part) => void (text += part),
    })
  }
  await expect(program.parseAsync(['node', 'otel-audit', ...argv])).rejects.toThrow()
  expect(text).toMatch(said)
  expect(text).toContain('(run with --help for usage)')
})

describe('the flags of a filter', () => {
  const names = Object.entries(FILTER_FIELDS)

  test.each(names)('%s has one, whose example is a filter', (name, field) => {
    const command = addFilterFlags(aCommand())
    const flag = `--${name.replaceAll('_', '-')}`
    const example =
      field.kind === 'mark' ? undefined : field.kind === 'integer' ? String(field.min) : field.example
    command.parse(example === undefined ? [flag] : [flag, example], { from: 'user' })
    const filter = filterOf(command.opts())
    expect(filter).toEqual({ [name]: example ?? true })
    if (example !== undefined)
      expect(() => parseFilter({ from: '-1h', ...filter }, new Date('2026-07-01').getTime())).not.toThrow()
  })

  test('leave out what a command does not take', () => {
    const command = addFilterFlags(aCommand(), ['limit'])
    expect(command.options.map(({ long }) => long)).not.toContain('--limit')
    expect(() => command.parse(['--limit', '3'], { from: 'user' })).toThrow("unknown option '--limit'")
  })
})

test('only what may read without a record has the flag for it', () => {
  const flags = (command: Command): (string | null | undefined)[] => command.options.map(({ long }) => long)
  expect(flags(addReadFlags(aCommand()))).toContain('--unrecorded')
  expect(flags(addReadFlags(aCommand(), { canBeUnrecorded: false }))).not.toContain('--unrecorded')
})

describe('the format', () => {
  const FORMATS = ['table', 'ndjson', 'csv'] as const
  const isTTY = process.stdout.isTTY

  afterEach(() => void Object.assign(process.stdout, { isTTY }))

  test('is a table for a person and lines for a pipe, when nobody says', () => {
    Object.assign(process.stdout, { isTTY: true })
    expect(formatOf(aCommand(), {}, [...FORMATS])).toBe('table')
    Object.assign(process.stdout, { isTTY: false })
    expect(formatOf(aCommand(), {}, [...FORMATS])).toBe('ndjson')
  })

  test('is the one that was asked for, and no other', () => {
    expect(formatOf(aCommand(), { format: 'csv' }, [...FORMATS])).toBe('csv')
    expect(() => formatOf(aCommand(), { format: 'xml' }, [...FORMATS])).toThrow(
      '--format must be table, ndjson or csv, not xml',
    )
  })
})
