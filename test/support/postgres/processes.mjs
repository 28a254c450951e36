// The processes of a test cluster: found, frozen and ended by the cluster's name alone.
//
// Plain JavaScript: the watchdog runs it in a bare Node, whether its parent was compiled or is a test under vitest.
// The name is unique per server. It is in the postmaster's and initdb's arguments (`-D`), and, being the
// `cluster_name`, in the title of every backend, also of those whose postmaster is dead.

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const POSTGRES = /^postgres: |(^|\/)(postgres|initdb)( |$)/
const POLL_MILLISECONDS = 10

/** A safety net: a signal takes effect within milliseconds, unless the kernel is waiting for a disk. */
const SIGNAL_DEADLINE_MILLISECONDS = 30_000

/** The living processes of a cluster, each with whether it is stopped by a signal. Zombies are not listed. */
export function clusterProcesses(cluster) {
  const all = existsSync('/proc/self/stat') ? fromProc() : fromPs()
  return all
    .filter(({ program, command }) => POSTGRES.test(program) && command.includes(cluster))
    .map(({ pid, state }) => ({ pid, stopped: state === 'T' }))
}

function fromProc() {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8')
        const stat = readFileSync(`/proc/${entry}/stat`, 'utf8')
        // The second field is the name in parentheses, and may itself contain them.
        const state = stat.slice(stat.lastIndexOf(')') + 2)[0]
        return [{ pid: Number(entry), state, program: command.split('\0', 1)[0], command }]
      } catch {
        return [] // It ended while we looked.
      }
    })
}

function fromPs() {
  return execFileSync('ps', ['-axo', 'pid=,state=,command='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const [, pid, state, command] = /^\s*(\d+)\s+(\S)\S*\s+(.*)$/.exec(line) ?? []
      return command === undefined ? [] : [{ pid: Number(pid), state, program: command, command }]
    })
}

function signal(processes, name) {
  for (const { pid } of processes) {
    try {
      process.kill(pid, name)
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
}

/**
 * Stops every process of the cluster (SIGSTOP), and resolves when all of them are stopped. A postmaster may fork
 * while it is being looked at, so one look that found all of them stopped is followed by a second one.
 */
export async function freeze(cluster) {
  const deadline = performance.now() + SIGNAL_DEADLINE_MILLISECONDS
  for (let quietLooks = 0; quietLooks < 2; ) {
    if (performance.now() > deadline) throw new Error(`processes of ${cluster} do not heed SIGSTOP`)
    const running = clusterProcesses(cluster).filter(({ stopped }) => !stopped)
    signal(running, 'SIGSTOP')
    quietLooks = running.length === 0 ? quietLooks + 1 : 0
    if (running.length > 0) await sleep(POLL_MILLISECONDS)
  }
}

export function thaw(cluster) {
  signal(clusterProcesses(cluster), 'SIGCONT')
}

/** Resolves to whether no process of the cluster is left. */
async function gone(cluster, graceMilliseconds) {
  const deadline = performance.now() + graceMilliseconds
  while (clusterProcesses(cluster).length > 0) {
    if (performance.now() > deadline) return false
    await sleep(POLL_MILLISECONDS)
  }
  return true
}

/** Kills every process of the cluster at one instant (SIGKILL): no client hears a word, no file is written. */
export async function crash(directory) {
  const cluster = basename(directory)
  // Else a postmaster that is killed after its first backend tells the others, and these their clients.
  await freeze(cluster)
  signal(clusterProcesses(cluster), 'SIGKILL')
  if (!(await gone(cluster, SIGNAL_DEADLINE_MILLISECONDS)))
    throw new Error(`processes of ${cluster} outlive SIGKILL`)
  await removeSharedMemory(directory)
}

/** Ends the cluster in whatever state it is, by an immediate shutdown. */
export async function endCluster(directory) {
  const cluster = basename(directory)
  signal(clusterProcesses(cluster), 'SIGQUIT')
  thaw(cluster)
  // The postmaster itself kills what has not heeded an immediate shutdown after 5 s.
  if (!(await gone(cluster, 8_000))) await crash(directory)
}

/** Ends the cluster in whatever state it is, and removes its directory. */
export async function removeCluster(directory) {
  await endCluster(directory)
  await rm(directory, { recursive: true, force: true, maxRetries: 5 })
}

/**
 * A postmaster that was killed leaves its System V segment, of which a machine has 4,096. The lock file names it in
 * line 7, as key and id. A server does not start while a process is attached to it, which one that is dying may be for a
 * moment when nothing else is seen of it any more.
 */
async function removeSharedMemory(directory) {
  try {
    const id = readFileSync(join(directory, 'data', 'postmaster.pid'), 'utf8')
      .split('\n')[6]
      ?.trim()
      .split(/\s+/)[1]
    if (id === undefined) return
    const deadline = performance.now() + SIGNAL_DEADLINE_MILLISECONDS
    while (attached(id) > 0 && performance.now() < deadline) await sleep(POLL_MILLISECONDS)
    execFileSync('ipcrm', ['-m', id], { stdio: 'ignore' })
  } catch {
    // No lock file (it never started), or no `ipcrm` on this machine: 56 bytes stay until the machine restarts.
  }
}

/** How many processes are attached to a segment. */
function attached(id) {
  if (!existsSync('/proc/sysvipc/shm')) return 0
  const segments = readFileSync('/proc/sysvipc/shm', 'utf8').split('\n')
  const fields = segments.map((line) => line.trim().split(/\s+/)).find(([, segment]) => segment === id)
  return Number(fields?.[6] ?? 0)
}
