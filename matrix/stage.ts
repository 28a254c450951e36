import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { guard, release } from '../test/support/postgres/guard.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { type PostgresServer, startPostgres } from '../test/support/postgres/server.js'
import { pack } from './npm.js'

/** What a run stands on: a Postgres, the tarball, and a directory for those who install it. */
export class Stage {
  readonly server: PostgresServer
  readonly directory: string
  readonly tarball: string

  private constructor(server: PostgresServer, directory: string, tarball: string) {
    this.server = server
    this.directory = directory
    this.tarball = tarball
  }

  /** Everything is gone after {@link close}, and when this process ends, in whatever way. */
  static async set(): Promise<Stage> {
    const directory = join(tmpdir(), `otel-audit-matrix-${randomBytes(4).toString('hex')}`)
    await guard(directory)
    await mkdir(directory, { mode: 0o700 })
    const tarball = await pack(packageRoot(), directory)
    return new Stage(await startPostgres(), directory, tarball)
  }

  async close(): Promise<void> {
    await this.server.close()
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 })
    await release(this.directory)
  }
}
