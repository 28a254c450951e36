import { errorText } from '../../host/error-text.js'
import { statfs } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { HealthFinding } from '../../contract/sink.js'
import type { AuditSettings } from '../../options/options.js'
import type { Diagnosis } from '../../postgres/diagnosis.js'
import { inspectDirectory, nearestExisting } from '../../spool/directories/directory.js'
import { listSpools } from '../../spool/directories/list.js'

/** `f_type` of file systems that are on another machine: NFS, SMB, CIFS, SMB2, Ceph, 9P. */
const ON_THE_NETWORK: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x00c36400, 0x01021997,
])

/** Looks at the spool as a service with this environment would use it. Changes nothing. */
export async function diagnoseSpool({
  spoolDirectory: directory,
  spoolBytes: maxBytes,
  strict,
}: Pick<AuditSettings, 'spoolDirectory' | 'spoolBytes' | 'strict'>): Promise<Diagnosis> {
  const check = 'spool'
  if (directory === undefined) {
    const findings = strict === true ? [] : [WITHOUT_SPOOL]
    return { check, state: 'none', findings }
  }
  const findings: HealthFinding[] = []
  const say = (level: HealthFinding['level'], message: string): void =>
    void findings.push({ level, check, message })
  if (!isInstalled('lmdb')) say('error', 'lmdb is not installed: npm install lmdb')
  let found: 'missing' | 'wide' | 'fit' | undefined
  try {
    found = await inspectDirectory(directory)
    if (found !== 'missing') await lookAt(directory, say)
    const { path } = await nearestExisting(directory)
    await lookAtDisk(path, maxBytes, say)
  } catch (error) {
    say('error', errorText(error))
  }
  const state = found === 'missing' ? `${directory}, which the service will create` : directory
  return { check, state, findings }
}

const WITHOUT_SPOOL = {
  level: 'warning',
  check: 'spool',
  message:
    'none: async events that are not stored when the process is killed, or when the queue is full, are lost; NOETL_SECRET_AUDIT_SPOOL_DIR names a directory for one',
} as const

type Say = (level: HealthFinding['level'], message: string) => void

async function lookAt(directory: string, say: Say): Promise<void> {
  const { processes, damaged } = await listSpools(directory)
  const aside = processes.reduce((sum, { quarantined }) => sum + quarantined, 0)
  if (aside > 0 || damaged.length > 0) {
    const what = `${aside} events and ${damaged.length} damaged files are set aside`
    say('warning', `${what}; look at them: otel-audit spool status --directory ${directory}`)
  }
  const left = processes.filter(({ state, entries }) => state === 'dead' && entries > 0)
  if (left.length > 0) {
    const events = left.reduce((sum, { entries }) => sum + entries, 0)
    say(
      'warning',
      `${events} events of dead processes wait: start the service with this directory to store them`,
    )
  }
}

async function lookAtDisk(existing: string, maxBytes: number, say: Say): Promise<void> {
  const { type, bavail, bsize } = await statfs(existing)
  if (ON_THE_NETWORK.has(type)) {
    say('error', `${existing} is on a network file system; use a directory on a local disk`)
  }
  const free = bavail * bsize
  if (free < maxBytes) {
    const most = `spoolBytes is ${maxBytes}, and the disk has ${free} bytes free`
    say('warning', `${most}; free space, or set NOETL_SECRET_AUDIT_SPOOL_BYTES=${Math.floor(free / 2)}`)
  }
}

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    return false
  }
}
