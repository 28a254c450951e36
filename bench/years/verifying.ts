import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type CommandContext, otelAudit, type Run, succeeded } from './command.js'

export interface VerifyResult {
  readonly rows: number
  readonly seconds: number
  /** Of the command's processor time, all its threads together. */
  readonly cpu_seconds: number
  /** Rows a second of that. */
  readonly per_cpu_second: number
  readonly resident_mib: number
}

export interface WatchResult {
  /** The whole trail, which leaves the first state. */
  readonly whole: VerifyResult
  /** What was recorded since then, by the next run; `again` rows of it are old ones. */
  readonly day: VerifyResult & { readonly again: number }
  readonly missing: number
}

/** Of `verify --state --format json`. */
interface Report {
  readonly rows: { readonly proven: number }
  readonly incremental: {
    readonly full: boolean
    readonly new: { readonly rows: number }
    readonly again: { readonly rows: number }
  }
}

/**
 * The whole trail by `otel-audit verify --state`, and what one more day has brought.
 *
 * @param recordDay records the rows of a day. @returns how many of those that were acknowledged are missing
 * @throws Error when something is found: the trail is an honest one
 */
export async function measureVerify(
  context: CommandContext,
  directory: string,
  recordDay: () => Promise<number>,
  progress: (what: string) => void,
): Promise<WatchResult> {
  const state = join(directory, `state-${context.database}`)
  await rm(state, { force: true })
  progress('verifying all of it')
  const first = await verify(context, state)
  if (!first.report.incremental.full) throw new Error('the first verification has left something out')
  progress('one more day')
  const missing = await recordDay()
  const next = await verify(context, state)
  const { new: fresh, again } = next.report.incremental
  return {
    whole: resultOf(first.run, first.report.rows.proven),
    day: { ...resultOf(next.run, fresh.rows + again.rows), again: again.rows },
    missing,
  }
}

async function verify(context: CommandContext, state: string): Promise<{ run: Run; report: Report }> {
  const { trustFile, verifierFile } = context.keys
  const keys = ['--trust', trustFile, '--verifier-key', verifierFile]
  const args = ['verify', ...keys, '--state', state, '--format', 'json']
  const run = succeeded(await otelAudit(context, args), 'verify')
  return { run, report: JSON.parse(run.stdout) as Report }
}

function resultOf({ seconds, cpuSeconds, residentMib }: Run, rows: number): VerifyResult {
  return {
    rows,
    seconds,
    cpu_seconds: cpuSeconds,
    per_cpu_second: rows / cpuSeconds,
    resident_mib: residentMib,
  }
}
