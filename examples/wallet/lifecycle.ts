import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Milliseconds that requests under way, and the flush of the audit trail, have after a signal. */
const GRACE = 15_000

/**
 * Listens, prints the address, and stops on SIGTERM or SIGINT: no new connection is accepted, requests under way are
 * answered, and the process ends by itself once `otel-audit/register`, which hears the same signal, has
 * flushed the trail and the telemetry.
 */
export async function runServer(server: Server, name: string, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const stop = () => {
    server.close()
    setTimeout(() => process.exit(1), GRACE).unref()
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  const address = server.address() as AddressInfo
  console.log(`${name} listening on http://${host}:${address.port}`)
}

/** Ends the process with one line about why: a fault of the surroundings needs no stack. */
export function fail(name: string, error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException
  const reason = code === 'EADDRINUSE' ? `the port is in use already; set another one (${message})` : message
  console.error(`${name}: ${reason}`)
  process.exit(1)
}
