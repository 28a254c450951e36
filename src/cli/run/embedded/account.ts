import { readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'

/** The account a server runs as. Empty: our own. */
export type Account =
  | { readonly uid: number; readonly gid: number }
  | { readonly uid?: never; readonly gid?: never }

export function serverAccount(): Account {
  if (process.getuid === undefined) throw new Error('the Postgres launcher needs POSIX signals and accounts')
  return process.getuid() === 0 ? nobody() : {}
}

/** Postgres refuses to run as root; and initdb, as an account without an entry in the list of accounts. */
function nobody(): Account {
  const entry = /^nobody:[^:]*:(-?\d+):(-?\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))
  if (entry === null) throw new Error('there is no account "nobody" to run Postgres as')
  // Written as -2 on some systems.
  return { uid: Number(entry[1]) >>> 0, gid: Number(entry[2]) >>> 0 }
}

/**
 * The directory for temporary files; if we are root and it is closed to other accounts (as a directory below /root
 * is), /tmp.
 */
export function temporaryDirectory(account: Account): string {
  const candidates = [resolve(tmpdir()), '/tmp']
  const found = candidates.find((directory) => account.uid === undefined || isOpenToAll(directory))
  if (found === undefined) throw new Error(`uid ${account.uid} can enter none of ${candidates.join(', ')}`)
  return found
}

function isOpenToAll(directory: string): boolean {
  const open = (statSync(directory).mode & 0o001) !== 0
  return open && (directory === dirname(directory) || isOpenToAll(dirname(directory)))
}
