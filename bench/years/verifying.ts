import { type CommandContext, otelAudit, type Run, succeeded } from './command.js'

export interface VerifyResult {
  readonly rows: number
  readonly seconds: number
  /** Rows a second of the command's processor time, all its threads together. */
  readonly per_cpu_second: number
  readonly resident_mib: number
}

/** Of `verify --format json`. */
interface Report {
  readonly rows: { readonly proven: number }
}

/** The whole trail, by `otel-audit verify`. @throws Error when it finds something: the trail is an honest one */
export async function measureWhole(context: CommandContext): Promise<VerifyResult> {
  const args = ['verify', '--trust', context.keys.trustFile, '--format', 'json']
  const run = succeeded(await otelAudit(context, args), 'verify')
  return resultOf(run, (JSON.parse(run.stdout) as Report).rows.proven)
}

function resultOf({ seconds, cpuSeconds, residentMib }: Run, rows: number): VerifyResult {
  return { rows, seconds, per_cpu_second: rows / cpuSeconds, resident_mib: residentMib }
}
