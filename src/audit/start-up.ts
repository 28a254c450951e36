import { errorText } from '../host/error-text.js'
import { diag } from '../host/diagnostics.js'
import { AuditError } from '../errors.js'
import type { DurableAuditExporter } from '../exporter/exporter.js'
import type { StrictPolicy } from '../service/mode.js'
import type { AuditSettings } from '../options/options.js'
import type { SelfTestReport } from '../otel/self-test.js'
import { takeUnclaimed } from '../service/registry.js'
import type { AuditSink, HealthFinding } from '../contract/sink.js'

/** Records that were made when there was no pipeline in the process are lost, and counted by the first that comes. */
export function reportUnclaimed({ metrics }: DurableAuditExporter): void {
  for (const { operation, outcome, count } of takeUnclaimed()) {
    metrics.count('records.emitted', count)
    metrics.countWrite({ operation, outcome }, 'dropped_async', count)
  }
}

/** @returns what stands in its way: records go on without it, and strict mode does not start */
export async function openSpool(
  { spoolDirectory, spoolMode, spoolBytes }: AuditSettings,
  exporter: DurableAuditExporter,
): Promise<HealthFinding | undefined> {
  if (spoolDirectory === undefined) return undefined
  try {
    const { openLmdbSpool } = await import('../spool/lmdb/lmdb-spool.js')
    const spool = await openLmdbSpool({ directory: spoolDirectory, maxBytes: spoolBytes })
    if (exporter.isClosed) await spool.close()
    else exporter.attachSpool(spool, spoolMode)
    return undefined
  } catch (error) {
    return { level: 'error', check: 'spool', message: errorText(error) }
  }
}

/** For development. @throws AuditError */
export async function autoMigrate({ databaseUrl, schema }: AuditSettings): Promise<void> {
  if (process.env.NODE_ENV === 'production') {
    throw new AuditError(
      'AUDIT_INVALID_OPTION',
      'autoMigrate is for development, and NODE_ENV is production. Run `otel-audit migrate` as the owner',
      { field: 'autoMigrate' },
    )
  }
  if (databaseUrl === undefined) return
  const { migrate } = await import('../postgres/migrate/migrate.js')
  await migrate({ databaseUrl, schema })
}

/** Never rejects: what is wrong is a finding. */
export async function checkSink(sink: AuditSink): Promise<readonly HealthFinding[]> {
  try {
    return (await sink.check?.()) ?? []
  } catch (error) {
    const isOfSession = error instanceof AuditError && error.code === 'AUDIT_SESSION'
    const message = isOfSession ? `${error.message}. ${error.remedy}` : errorText(error)
    return [{ level: 'error', check: 'store', message }]
  }
}

/** Says them on the diagnostics logger. */
export function sayFindings({ findings }: SelfTestReport, withWarnings: boolean): void {
  for (const { level, check, message } of findings) {
    if (level === 'warning' && !withWarnings) continue
    diag[level === 'error' ? 'error' : 'warn'](`otel-audit: self-test: ${check}: ${message}`)
  }
}

/** What makes records not durable, in one line. */
export function errorsOf({ findings }: SelfTestReport): string {
  const errors = findings.filter(({ level }) => level === 'error')
  return errors.map(({ check, message }) => `${check}: ${message}`).join('; ')
}

/** The mode as the rows of the lifecycle name it. */
export function modeName(strict: boolean | StrictPolicy): string {
  if (typeof strict === 'function') return 'policy'
  return strict ? 'strict' : 'async'
}
