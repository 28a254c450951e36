import { setTimeout as sleep } from 'node:timers/promises'
import { waitUntil } from '../../test/support/wait-until.js'
import type { PostgresServer } from '../../test/support/postgres/server.js'
import { type Command, type Result, unexpected } from './command-line.js'
import type { OldMonths } from './old-months.js'

/** Who dies: the command, its sessions on the server, or the whole server. */
export const KILLS = Object.freeze(['client', 'backend', 'server'] as const)
export type Kill = (typeof KILLS)[number]

/** Kills a command on its way. @returns what it had said. It is over, and the server is there again */
export async function killed(
  how: Kill,
  command: Command,
  trail: OldMonths,
  server: PostgresServer,
): Promise<Result> {
  if (how === 'client') command.kill()
  else if (how === 'backend') await terminate(trail)
  else await server.restart('immediate')
  const result = await command.over
  if (how !== 'client' && result.signal !== null) throw new Error(`it was killed by ${result.signal}`)
  return result
}

/** The sessions of the command, but not that by which it writes rows. */
async function terminate(trail: OldMonths): Promise<void> {
  await trail.owner((client) =>
    client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
         and application_name in ('otel-audit archive', 'otel-audit retire')`,
    ),
  )
}

/** Resolves when the command has a session: before that it can do nothing, and its backend cannot be killed. */
export async function connected(trail: OldMonths, command: Command): Promise<void> {
  await waitUntil('a session of the command', () =>
    command.isOver
      ? true
      : trail.owner(async (client) => {
          const { rowCount } = await client.query(
            `select from pg_stat_activity where datname = current_database() and application_name = 'otel-audit retire'`,
          )
          return (rowCount ?? 0) > 0
        }),
  )
}

const STILL_THERE = /another archive or retirement of this trail is running/

/** Runs a command of the operator. One that was killed may have a session left, for a moment. */
export async function resumed(trail: OldMonths, code: number, ...args: readonly string[]): Promise<Result> {
  for (let tries = 0; ; tries++) {
    const result = await trail.operator.run(...args)
    if (result.code === code) return result
    if (!STILL_THERE.test(result.stderr) || tries > 100) throw new Error(unexpected(args, code, result))
    await sleep(100)
  }
}

/** Starts one, as soon as no session of a killed one is left. */
export async function free(trail: OldMonths): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const isFree = await trail.owner(async (client) => {
      const { rowCount } = await client.query(
        `select from pg_locks where relation = 'noetl.secret_audit_retirement'::regclass
           and mode = 'ShareUpdateExclusiveLock'`,
      )
      return rowCount === 0
    })
    if (isFree) return
    await sleep(50)
  }
  throw new Error('a session of a killed command holds its lock for 30 s')
}
