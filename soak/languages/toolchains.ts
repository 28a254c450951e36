import { execFile } from 'node:child_process'
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageRoot } from '../../test/support/postgres/package-root.js'

const run = promisify(execFile)
const EXAMPLES = join(packageRoot(), 'examples', 'other-languages')
const BUILT = join(packageRoot(), 'build', 'languages')

/** What starts an example, but for the address of the gateway. */
export interface Command {
  readonly file: string
  readonly args: readonly string[]
}

export interface Language {
  readonly name: string
  /** What has to be there: a command that says its version. */
  readonly needs: readonly (readonly [string, ...string[]])[]
  /** Builds what is in `directory`, a copy of the example that is kept, so that the next time is quick. */
  build(directory: string): Promise<Command>
}

export const LANGUAGES: readonly Language[] = [
  {
    name: 'python',
    needs: [['python3', '-m', 'venv', '-h']],
    async build(directory) {
      const environment = join(directory, '.venv')
      const python = join(environment, 'bin', 'python3')
      await run('python3', ['-m', 'venv', environment])
      await run(python, ['-m', 'pip', 'install', '--quiet', '-r', join(directory, 'requirements.txt')])
      return { file: python, args: [join(directory, 'main.py')] }
    },
  },
  {
    name: 'go',
    needs: [['go', 'version']],
    async build(directory) {
      await run('go', ['build', '-o', 'example', '.'], { cwd: directory })
      return { file: join(directory, 'example'), args: [] }
    },
  },
  {
    name: 'java',
    needs: [
      ['java', '-version'],
      ['mvn', '-version'],
    ],
    async build(directory) {
      const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
      await run('mvn', ['-q', '-B', 'compile', copy, '-DoutputDirectory=target/lib'], { cwd: directory })
      const classes = ['classes', join('lib', '*')].map((part) => join(directory, 'target', part)).join(':')
      return { file: 'java', args: ['-cp', classes, 'example.Main'] }
    },
  },
]

/** @returns why it cannot be had here, undefined if it can */
export async function missing({ needs }: Language): Promise<string | undefined> {
  for (const [file, ...args] of needs) {
    try {
      await run(file, args)
    } catch {
      return [file, ...args].join(' ')
    }
  }
  return undefined
}

/** @throws Error with the end of what the tool said */
export async function built(language: Language): Promise<Command> {
  const { name } = language
  const directory = join(BUILT, name)
  await mkdir(BUILT, { recursive: true })
  // What an earlier run has installed stays; sources are those of today.
  await cp(join(EXAMPLES, name), directory, { recursive: true, force: true })
  try {
    return await language.build(directory)
  } catch (error) {
    const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message: string }
    await rm(directory, { recursive: true, force: true })
    throw new Error(`it could not be built: ${(stderr || stdout || message).slice(-2000)}`, { cause: error })
  }
}
