import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { damagedIn, homesIn } from './directory.js'
import { environmentsIn } from './process-directory.js'
import { inspectEnvironment, type QuarantinedEntry } from './inspect.js'
import { type OwnerState, ownerOf } from './liveness.js'

/** What one process has in a spool directory, or had when it died. */
export interface SpoolHomeReport {
  readonly id: string
  /** `dead`: the next process takes it over. `unknown`: this user may not ask. */
  readonly owner: OwnerState
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
  readonly homes: readonly SpoolHomeReport[]
  readonly damaged: readonly DamagedReport[]
}

/**
 * What is in a spool directory. Changes nothing, and may be called while the owners live; what they do meanwhile may
 * or may not be in it.
 *
 * @throws when the directory cannot be read
 */
export async function listSpools(directory: string): Promise<SpoolDirectoryReport> {
  const homes: SpoolHomeReport[] = []
  for (const home of await homesIn(directory)) {
    const report = await reportHome(home)
    if (report !== undefined) homes.push(report)
  }
  const damaged: DamagedReport[] = []
  for (const path of await damagedIn(directory)) {
    const reason = await readFile(join(path, 'reason'), 'utf8').catch(() => 'unknown')
    damaged.push({ path, reason: reason.trim(), fileBytes: await fileBytesOf(path) })
  }
  return { homes, damaged }
}

/** @returns undefined when it has gone meanwhile */
async function reportHome(home: string): Promise<SpoolHomeReport | undefined> {
  const owner = await ownerOf(home)
  const totals = { entries: 0, bytes: 0, fileBytes: 0, quarantined: 0 }
  const oldest: number[] = []
  const quarantine: QuarantinedEntry[] = []
  const problems: string[] = []
  try {
    for (const environment of await environmentsIn(home)) {
      totals.fileBytes += await fileBytesOf(environment)
      try {
        const found = await inspectEnvironment(environment, 'read')
        totals.entries += found.entries
        totals.bytes += found.bytes
        totals.quarantined += found.quarantined
        if (found.oldest !== null) oldest.push(found.oldest)
        quarantine.push(...found.listed)
      } catch (error) {
        // Its owner has removed it, or moved it on, since its directory was read.
        if (await exists(environment)) problems.push(`${basename(environment)}: ${messageOf(error)}`)
      }
    }
  } catch (error) {
    problems.push(messageOf(error))
  }
  if (!(await exists(home))) return undefined
  return {
    id: basename(home),
    owner,
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
