import { wallClock } from '../host/globals.js'
import type { FindingLog } from '../verify/finding.js'
import type { ArchiveStore, FileVersion } from './archive-store.js'
import type { ReadManifest } from './manifest.js'
import { isAsStrong } from './object-lock.js'

/** That a file of an archive is locked as its manifest says, and that who looks for it by its name finds it. */
export async function checkKept(
  store: ArchiveStore,
  { manifest: { lock } }: ReadManifest,
  { file, version }: FileVersion,
  findings: FindingLog,
): Promise<void> {
  const { hiddenBy } = (await store.stat(file, version)) ?? {}
  if (hiddenBy !== undefined)
    findings.add('archive-hidden', `${file} is hidden by ${hiddenBy}; it was read by its version`, {})
  if (lock === undefined || Date.parse(lock.until) <= wallClock()) return
  const shown = await store.lockOf(file, version)
  if (shown !== undefined && isAsStrong(shown, lock)) return
  const now =
    shown === undefined ? 'the store shows no lock' : `the store shows ${shown.mode} until ${shown.until}`
  findings.add('archive-unlocked', `${file} was locked (${lock.mode} until ${lock.until}), and ${now}`, {})
}
