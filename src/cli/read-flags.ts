import type { Command } from 'commander'
import { FILTER_FIELDS, type FilterField, type FilterName } from '../query/filter-fields.js'

/** What commander makes of the flags: a value by its name in camel case. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>

/** How many rows `tail` begins with. */
export const TAIL_LINES = Object.freeze({ default: 10, most: 10_000 })

/** Adds the flags of a filter, made from its one definition. */
export function addFilterFlags(command: Command, without: readonly FilterName[] = []): Command {
  for (const [name, field] of Object.entries<FilterField>(FILTER_FIELDS)) {
    if (without.includes(name as FilterName)) continue
    const flag = `--${name.replaceAll('_', '-')}`
    const text = `${field.doc.replace(/\.$/, '').replaceAll('`', '')}${hint(field)}`
    command.option(field.kind === 'mark' ? `${flag} [mark]` : `${flag} <value>`, text)
  }
  return command
}

function hint(field: FilterField): string {
  switch (field.kind) {
    case 'mark':
      return ''
    case 'integer':
      return `, ${field.min} to ${field.max} (default: ${field.default})`
    default:
      return ` (example: ${field.example})`
  }
}

/** Adds the flags that every command has which reads the trail. */
export function addReadFlags(command: Command, { canBeUnrecorded = true } = {}): Command {
  command
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--reader-url <url>',
      'the database to read, as a login with the reader role (default: $NOETL_SECRET_AUDIT_READER_URL, else --database-url)',
    )
    .option(
      '--database-url <url>',
      'where the row about this read is written (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
  if (!canBeUnrecorded) return command
  return command
    .option('--trust <file>', 'a trust file: a database with another trail than it names is not read')
    .option('--unrecorded', 'read without a record of it, for a login that cannot write to the trail')
}

/** Adds the flag of a command that can ask archives as well. */
export function addArchiveFlag(command: Command): Command {
  return command.option(
    '--archive <place>',
    'ask the archives there (a directory or s3://BUCKET/PREFIX) in place of the trail; without a database the read is not recorded',
  )
}

/** Adds the flags of a command that only reads, and leaves no row about it. */
export function addDatabaseFlags(command: Command): Command {
  return command
    .option('--schema <name>', 'schema of the tables (default: $NOETL_SECRET_AUDIT_SCHEMA, else noetl)')
    .option(
      '--reader-url <url>',
      'the database, as a login with the reader role (default: $NOETL_SECRET_AUDIT_READER_URL, else --database-url)',
    )
    .option(
      '--database-url <url>',
      'the database where no reader URL is given (default: $NOETL_SECRET_AUDIT_DATABASE_URL, else $DATABASE_URL)',
    )
}

/** The filter that the flags say. */
export function filterOf(flags: Flags): Record<string, string | boolean> {
  const filter: Record<string, string | boolean> = {}
  for (const name of Object.keys(FILTER_FIELDS)) {
    const value = flags[name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())]
    if (value !== undefined) filter[name] = value
  }
  return filter
}

/** @returns the format: what was asked for, else the first on a terminal and the second in a pipe */
export function formatOf<Format extends string>(
  command: Command,
  flags: Flags,
  formats: readonly [Format, Format, ...Format[]],
): Format {
  const { format } = flags
  if (format === undefined) return process.stdout.isTTY ? formats[0] : formats[1]
  const found = formats.find((known) => known === format)
  if (found !== undefined) return found
  return command.error(
    `--format must be ${formats.slice(0, -1).join(', ')} or ${formats.at(-1)}, not ${format}`,
  )
}
