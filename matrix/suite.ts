import type { OtlpReceiver } from '../test/support/otlp-receiver.js'
import type { Consumer } from './consumer.js'
import type { Database } from './database.js'

/** What a suite works with. Database and receiver are its own. */
export interface World {
  readonly consumer: Consumer
  readonly database: Database
  readonly receiver: OtlpReceiver
  /**
   * Runs one check, and counts it. What it resolves to is printed beside its name, where checks are printed.
   *
   * @throws Error that names it
   */
  readonly check: (name: string, run: () => Promise<string | undefined | void>) => Promise<void>
}

/** One line of the matrix. */
export interface Suite {
  readonly name: string
  /** Packages whose versions are printed beside those of Node, API and SDK. */
  readonly about?: readonly string[]
  run(world: World): Promise<void>
}

/** What is installed together, and the suites that run on it one after the other. */
export interface Combination {
  readonly name: string
  /** Line of Node, as `22`. */
  readonly node: string
  readonly packages: readonly string[]
  /** Whether optional dependencies are left out. Default false. */
  readonly omitOptional?: boolean
  /** Versions of dependencies in place of those that npm would choose within their ranges. */
  readonly overrides?: Readonly<Record<string, string>>
  /** What installs them. Default npm. */
  readonly by?: 'npm' | 'pnpm'
  readonly suites: readonly Suite[]
}
