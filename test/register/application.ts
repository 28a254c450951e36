import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { packageRoot } from '../support/postgres/package-root.js'
import { Program } from '../support/program.js'

export { exportingTo } from '../support/program.js'

export interface ApplicationOptions {
  /** A file of `test/register/apps`. */
  readonly app: string
  /** How `otel-audit/register` is preloaded; `none` leaves it out. Default `import`. */
  readonly preload?: 'import' | 'require' | 'both' | 'none'
  /** Files of `test/register/apps` that are preloaded before it. */
  readonly before?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** An application in a process of its own, started as a user would start it. Killed when the test ends. */
export class Application extends Program {
  constructor({ app, preload = 'import', before = [], env = {} }: ApplicationOptions) {
    const file = (name: string): string => join(packageRoot(), 'test', 'register', 'apps', name)
    const preloads = before.flatMap((name) => ['--import', file(name)])
    if (preload !== 'none' && preload !== 'import') preloads.push('--require', 'otel-audit/register')
    if (preload !== 'none' && preload !== 'require') preloads.push('--import', 'otel-audit/register')
    super({ args: [...preloads, file(app)], cwd: packageRoot(), env })
    onTestFinished(() => this.kill())
  }
}
