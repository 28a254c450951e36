import { chmod, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

/** Part of the format: processes of another version look for it under this name. */
const SOCKET = 'owner.sock'
/** A socket's path must fit into `sockaddr_un`: 108 bytes on Linux, 104 on macOS. */
const LONGEST_SOCKET_PATH = 103

/** Whether a process lives. `unknown`: it could not be asked, and must be taken to be alive. */
export type Liveness = 'alive' | 'dead' | 'unknown'

/**
 * Whether the process of a directory lives. The kernel knows: a Unix socket refuses connections from the moment its
 * process is dead, however that died, and accepts them while the process is stopped or busy. Process ids would lie in
 * containers, where every pid is 1 and a volume may be shared.
 */
export function livenessOf(processDirectory: string): Promise<Liveness> {
  return new Promise((resolve) => {
    const socket = connect(join(processDirectory, SOCKET))
    socket.once('connect', () => {
      socket.destroy()
      resolve('alive')
    })
    // Refused or not there: dead. Anything else (no permission, too many files) proves nothing.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code === 'ECONNREFUSED' || code === 'ENOENT' ? 'dead' : 'unknown')
    })
  })
}

/** This process is alive in the directory until the server is closed or the process ends. Does not keep it from its end. */
export async function announceAlive(processDirectory: string): Promise<Server> {
  const path = join(processDirectory, SOCKET)
  const tooLong = Buffer.byteLength(path) - LONGEST_SOCKET_PATH
  if (tooLong > 0) throw new Error(`its path is too long for a socket in it, by ${tooLong} bytes`)
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  server.unref()
  await chmod(path, 0o600)
  return server
}

/** Removes the socket of a dead process. */
export function removeSocket(processDirectory: string): Promise<void> {
  return rm(join(processDirectory, SOCKET), { force: true })
}
