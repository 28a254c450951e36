#!/usr/bin/env node
import { errorText } from '../host/error-text.js'
import { visible, visibleLines } from '../host/visible.js'
import { CommanderError } from 'commander'
import { AuditError } from '../errors.js'
import { commandLine } from './command-line.js'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
/** Nothing was tried. */
const COULD_NOT_RUN: ReadonlySet<string> = new Set([
  'AUDIT_INVALID_OPTION',
  'AUDIT_INVALID_QUERY',
  'AUDIT_MISSING_PACKAGE',
])

void main()

async function main(): Promise<void> {
  // Who reads our output may have had enough of it: `otel-audit query | head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  process.exitCode = await run(process.argv)
}

/** Everything but the parser is loaded by the command that needs it: help and usage errors answer at once. */
async function run(argv: readonly string[]): Promise<number> {
  const program = commandLine()
  try {
    await program.parseAsync(argv)
    // A command that ran to its end may still have found something.
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
    return report(error)
  }
}

/** Code, message and remedy. Never the stack, and never a cause: it may quote the database URL. */
async function report(error: unknown): Promise<number> {
  if (!(error instanceof AuditError)) {
    process.stderr.write(`otel-audit failed: ${visible(errorText(error))}\n`)
    return EXIT_FAILED
  }
  // A remedy may be statements to run: its lines are ours.
  process.stderr.write(`${visible(error.message)}\n${visibleLines(error.remedy.split('\n'))}\n`)
  return COULD_NOT_RUN.has(error.code) ? EXIT_USAGE : EXIT_FAILED
}
