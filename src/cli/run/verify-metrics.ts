import { readFile, rename, writeFile } from 'node:fs/promises'
import { AuditError } from '../../errors.js'
import { errorText } from '../../host/error-text.js'

/** What a verification came to. */
export interface Verified {
  readonly findings: number
  readonly rows: number
  readonly seconds: number
  /** Nothing was found, and everything could be checked. */
  readonly isSuccess: boolean
}

const LAST_SUCCESS = 'noetl_secret_audit_verify_last_success'

/**
 * Writes a file in the text format of Prometheus, as the textfile collector of its node exporter reads it: the whole file, or
 * the one before stays. After a verification with findings it has the last success of the one before.
 *
 * @throws AuditError `AUDIT_EXPORT` when it cannot be written
 */
export async function writeMetrics(file: string, verified: Verified, nowMs: number): Promise<void> {
  const { findings, rows, seconds, isSuccess } = verified
  const gauges = [
    ['noetl_secret_audit_verify_findings', 'Findings of the last verification', findings],
    ['noetl_secret_audit_verify_rows', 'Rows that it has proven', rows],
    [
      LAST_SUCCESS,
      'When a verification last had no finding, in seconds since 1970',
      isSuccess ? Math.floor(nowMs / 1000) : await lastSuccess(file),
    ],
    ['noetl_secret_audit_verify_duration', 'How long the last one took, in seconds', seconds],
  ] as const
  const text = gauges.map(
    ([name, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`,
  )
  const draft = `${file}.${process.pid}`
  try {
    await writeFile(draft, text.join(''), { mode: 0o644 })
    await rename(draft, file)
  } catch (error) {
    throw new AuditError('AUDIT_EXPORT', `the metrics cannot be written: ${errorText(error)}`, {
      cause: error,
    })
  }
}

async function lastSuccess(file: string): Promise<number> {
  const before = await readFile(file, 'utf8').catch(() => '')
  return Number(new RegExp(`^${LAST_SUCCESS} (\\d+)$`, 'm').exec(before)?.[1] ?? 0)
}
