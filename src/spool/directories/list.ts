import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { damagedIn, processDirectoriesIn } from './directory.js'
import { errorText } from '../../host/error-text.js'
import { environmentsIn } from './process-directory.js'
import { inspectEnvironment, type QuarantinedEntry } from './inspect.js'
import { type Liveness, livenessOf } from './liveness.js'

/** What one process has in a spool directory, or had when it died. */
export interface ProcessReport {
  readonly id: string
  /** `dead`: the next process takes over what it left. `unknown`: this user may not ask. */
  readonly state: Liveness
  /** Entries that wait. */
  readonly entries: number
  /** Bytes of the entries, quarantined ones included. */
  readonly bytes: number
  /** Bytes of the files. They do not shrink as long as their process lives. */
  readonly fileBytes: number
  /** µs since the Unix epoch: when the event that waits longest occurred. */
  readonly oldest: number | null
  readonly quarantined: number
  /** The quarantined entries, the first thousand of each environment. */
  readonly quarantine: readonly QuarantinedEntry[]
  /** What could not be read, and why. */
  readonly problems: readonly string[]
}

/** An environment that could not be read, and was set aside. */
interface DamagedReport {
  readonly path: string
  readonly reason: string
  readonly fileBytes: number
}

export interface SpoolDirectoryReport {
  readonly processes: readonly ProcessReport[]
  readonly damaged: readonly DamagedReport[]
}

/**
 * What is in a spool directory. Changes nothing, and may be called while the processes live; what they do meanwhile may
 * or may not be in it.
 *
 * @throws when the directory cannot be read
 */
export async function listSpools(directory: string): Promise<SpoolDirectoryReport> {
  const processes: ProcessReport[] = []
  for (const path of await processDirectoriesIn(directory)) {
    const report = await reportOf(path)
    if (report !== undefined) processes.push(report)
  }
  const damaged: DamagedReport[] = []
  for (const path of await damagedIn(directory)) {
    const reason = await readFile(join(path, 'reason'), 'utf8').catch(() => 'unknown')
    damaged.push({ path, reason: reason.trim(), fileBytes: await fileBytesOf(path) })
  }
  return { processes, damaged }
}

/** @returns undefined when it has gone meanwhile */
async function reportOf(processDirectory: string): Promise<ProcessReport | undefined> {
  const state = await livenessOf(processDirectory)
  const totals = { entries: 0, bytes: 0, fileBytes: 0, quarantined: 0 }
  const oldest: number[] = []
  const quarantine: QuarantinedEntry[] = []
  const problems: string[] = []
  try {
    for (const environment of await environmentsIn(processDirectory)) {
      totals.fileBytes += await fileBytesOf(environment)
      try {
        const found = await inspectEnvironment(environment, 'read')
        totals.entries += found.entries
        totals.bytes += found.bytes
        totals.quarantined += found.quarantined
        if (found.oldest !== null) oldest.push(found.oldest)
        quarantine.push(...found.listed)
      } catch (error) {
        // Its process has removed it, or moved it on, since its directory was read.
        if (await exists(environment)) problems.push(`${basename(environment)}: ${errorText(error)}`)
      }
    }
  } catch (error) {
    problems.push(errorText(error))
  }
  if (!(await exists(processDirectory))) return undefined
  return {
    id: basename(processDirectory),
    state,
    ...totals,
    oldest: oldest.length === 0 ? null : Math.min(...oldest),
    quarantine,
    problems,
  }
}

async function fileBytesOf(environment: string): Promise<number> {
  return await stat(join(environment, 'data.mdb')).then(
    ({ size }) => size,
    () => 0,
  )
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
