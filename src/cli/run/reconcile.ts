import { JSON, wallClock } from '../../host/globals.js'
import { visible } from '../../host/visible.js'
import type { Command } from 'commander'
import { AuditError } from '../../errors.js'
import { parseFilter } from '../../query/filter.js'
import { formatTime } from '../../event/time.js'
import type { Trail } from '../../query/trail.js'
import { Comparison } from '../../reconcile/comparison.js'
import { entriesOf } from '../../reconcile/log-file.js'
import type { ProviderLog } from '../../reconcile/provider-access.js'
import { recordedAccess } from '../../reconcile/recorded-access.js'
import { type Flags, formatOf } from '../read-flags.js'
import { Progress, whileWaiting } from './progress.js'
import { withTrail } from './read-session.js'
import { reconciliationJson, reconciliationText } from './reconcile-output.js'

const FORMATS = ['table', 'json'] as const
const EXIT_FINDINGS = 1
const EXIT_NOT_COMPARED = 2

export type ReconcileFlags = Omit<Flags, 'cloudtrail' | 'vaultAudit'> & {
  readonly cloudtrail?: readonly string[]
  readonly vaultAudit?: readonly string[]
}

/** Whatever goes wrong here means that nothing was compared: it must not look like a finding. */
export async function run(flags: ReconcileFlags, command: Command): Promise<void> {
  try {
    process.exitCode = await reconcile(flags, command)
  } catch (error) {
    if (!(error instanceof AuditError)) throw error
    process.stderr.write(`${visible(error.message)}\n${visible(error.remedy)}\n`)
    process.exitCode = EXIT_NOT_COMPARED
  }
}

async function reconcile(given: ReconcileFlags, command: Command): Promise<number> {
  const { cloudtrail = [], vaultAudit = [], ...flags } = given
  const files = [
    ...cloudtrail.map((path) => ({ log: 'cloudtrail' as const, path })),
    ...vaultAudit.map((path) => ({ log: 'vault' as const, path })),
  ]
  if (files.length === 0) command.error('reconcile needs --cloudtrail FILE, or --vault-audit FILE')
  const format = formatOf(command, flags, FORMATS)
  const { from, to } = parseFilter({ from: flags['from'], to: flags['to'] }, wallClock())
  const logs = [...new Set(files.map(({ log }) => log))]
  const comparison = new Comparison(logs, { from, to, isExpected: matcher(flags['identity']) })
  const malformed = await readLogs(files, comparison)
  const window = comparison.rowWindow()
  if (window === undefined) {
    throw new AuditError('AUDIT_EVIDENCE_MALFORMED', 'the files have no entry of such a log', {
      remedy: 'Name files of CloudTrail by --cloudtrail, and of an audit device by --vault-audit.',
    })
  }
  const serviceName = flags['serviceName']
  let code = 0
  await withTrail(flags, async ({ trail, record }) => {
    const filter = {
      from: formatTime(window.from),
      to: formatTime(window.to),
      ...(serviceName !== undefined && { service_name: String(serviceName) }),
    }
    await whileWaiting('reading', () => readRows(trail, filter, comparison))
    const result = comparison.end()
    await record({ what: 'reconcile', filter: JSON.stringify({ ...filter, logs }), rows: result.rows })
    const found = { ...result, files: files.length, malformed }
    process.stdout.write(format === 'json' ? reconciliationJson(found) : reconciliationText(found))
    if (result.onlyProvided.length + result.onlyRecorded.length > 0) code = EXIT_FINDINGS
    else if (malformed > 0) code = EXIT_NOT_COMPARED
  })
  return code
}

async function readLogs(
  files: readonly { readonly log: ProviderLog; readonly path: string }[],
  comparison: Comparison,
): Promise<number> {
  const progress = new Progress('entries')
  let malformed = 0
  try {
    for (const { log, path } of files) {
      const entries = entriesOf(log, path)
      let next = await entries.next()
      for (; next.done !== true; next = await entries.next()) {
        comparison.addEntry(log, next.value)
        progress.add(1)
      }
      malformed += next.value.malformed
      if (next.value.malformed > 0) {
        process.stderr.write(
          `otel-audit: ${visible(path)}: ${next.value.malformed} pieces are not entries of this log, or are cut off\n`,
        )
      }
    }
  } finally {
    progress.end()
  }
  return malformed
}

async function readRows(
  trail: Trail,
  filter: Parameters<Trail['pages']>[0],
  comparison: Comparison,
): Promise<void> {
  for await (const { rows } of trail.pages(filter)) {
    for (const row of rows) {
      const access = recordedAccess(row)
      if (access !== undefined) comparison.addRow(access)
    }
  }
}

function matcher(identity: string | boolean | undefined): ((identity: string) => boolean) | undefined {
  if (typeof identity !== 'string') return undefined
  const prefix = identity.endsWith('*') ? identity.slice(0, -1) : undefined
  return (found) => (prefix === undefined ? found === identity : found.startsWith(prefix))
}
