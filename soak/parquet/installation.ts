import { execFile } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { DuckDbPackage } from '../../src/archive/duckdb.js'
import { packageRoot } from '../../test/support/postgres/package-root.js'

/** Pinned: what a newer one writes is looked at when it is raised. */
const DUCKDB = '@duckdb/node-api@1.5.6-r.1'
const LONGEST_OUTPUT_BYTES = 64 * 1024 * 1024

const run = promisify(execFile)

/** It could not be checked. */
export class NotHere extends Error {}

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The package as it is published, installed beside DuckDB as a user does it. */
export class Installation {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Into a directory that is made anew. @throws NotHere when npm cannot install DuckDB */
  static async make(directory: string): Promise<Installation> {
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'package.json'), '{"private":true}\n')
    const { stdout } = await run(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', directory],
      {
        cwd: packageRoot(),
        maxBuffer: LONGEST_OUTPUT_BYTES,
      },
    )
    const [{ filename = '' } = {}] = JSON.parse(stdout) as { filename?: string }[]
    const packages = [join(directory, filename), DUCKDB, '@opentelemetry/api']
    try {
      await run('npm', ['install', '--no-audit', '--no-fund', ...packages], { cwd: directory })
    } catch (cause) {
      throw new NotHere(`${DUCKDB} could not be installed: it takes the npm registry`, { cause })
    }
    return new Installation(directory)
  }

  async duckdb(): Promise<DuckDbPackage> {
    const entry = join(this.#directory, 'node_modules', '@duckdb', 'node-api', 'lib', 'index.js')
    return (await import(pathToFileURL(entry).href)) as DuckDbPackage
  }

  /** Runs the command line with no environment but the given. */
  async otelAudit(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Result> {
    const main = join(this.#directory, 'node_modules', 'otel-audit', 'dist', 'cli', 'main.js')
    const options = { env: { ...env }, maxBuffer: LONGEST_OUTPUT_BYTES }
    return await run(process.execPath, [main, ...args], options).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: Error & Result) => {
        if (typeof error.code !== 'number') throw error
        return { code: error.code, stdout: error.stdout, stderr: error.stderr }
      },
    )
  }
}
