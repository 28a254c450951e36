import { once } from 'node:events'
import { createServer, type Server } from 'node:net'

/** Below the ephemeral ranges of the usual systems: an outgoing connection cannot take such a port meanwhile. */
const FIRST = 20_000
const LAST = 31_999

/**
 * Ports of 127.0.0.1 that are free at this moment. Services that name each other in their configurations, and
 * the Prometheus exporter (for which 0 means 9464), need to know theirs before they start.
 */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = []
  const ports: number[] = []
  try {
    for (let attempt = 0; ports.length < count; attempt++) {
      if (attempt > 1000) throw new Error(`no free port of 127.0.0.1 between ${FIRST} and ${LAST}`)
      const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1))
      const server = createServer()
      try {
        server.listen({ port, host: '127.0.0.1', exclusive: true })
        await once(server, 'listening')
        held.push(server)
        ports.push(port)
      } catch {
        // In use by another process.
      }
    }
    return ports
  } finally {
    await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  }
}
