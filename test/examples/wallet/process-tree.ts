import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'

export interface ProcessInfo {
  readonly pid: number
  readonly parent: number
  /** When it started, in the system's own notation: tells it from a later process with the same id. */
  readonly started: string
}

/** All living processes of this machine. */
function processes(): ProcessInfo[] {
  return existsSync('/proc/self/stat') ? fromProc() : fromPs()
}

function fromProc(): ProcessInfo[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const stat = readFileSync(`/proc/${entry}/stat`, 'utf8')
        const [state, parent, , , , , , , , , , , , , , , , , , start] = stat
          .slice(stat.lastIndexOf(')') + 2)
          .split(' ')
        return state === 'Z' ? [] : [{ pid: Number(entry), parent: Number(parent), started: `${start}` }]
      } catch {
        return [] // It ended while we looked.
      }
    })
}

function fromPs(): ProcessInfo[] {
  return execFileSync('ps', ['-axo', 'pid=,ppid=,lstart='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const [, pid, parent, started] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
      return started === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), started }]
    })
}

/** The descendants of a process which live at this moment. */
export function descendants(pid: number): ProcessInfo[] {
  const all = processes()
  const found: ProcessInfo[] = []
  for (let parents = [pid]; parents.length > 0; ) {
    const children = all.filter(({ parent }) => parents.includes(parent))
    found.push(...children)
    parents = children.map((child) => child.pid)
  }
  return found
}

/** Which of these processes live still. */
export function survivors(of: Iterable<ProcessInfo>): ProcessInfo[] {
  const alive = new Set(processes().map(({ pid, started }) => `${pid} ${started}`))
  return [...of].filter(({ pid, started }) => alive.has(`${pid} ${started}`))
}
