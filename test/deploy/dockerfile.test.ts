import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { allowedPaths, configOf, parseDockerfile } from '../../soak/image/dockerfile.js'
import { packageRoot } from '../support/postgres/package-root.js'

// What `npm run image:check` builds and runs, as far as it can be read.

const ROOT = packageRoot()
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const MANIFEST = JSON.parse(read('package.json')) as { version: string; files: string[] }

describe('the Dockerfile of otel-audit', () => {
  const text = read('deploy/otel-audit.Dockerfile')
  const stages = parseDockerfile(text)

  test('is not root, and begins with the command line', () => {
    const last = stages.at(-1)
    if (last === undefined) throw new Error('no stage')
    expect(configOf(last)).toEqual({
      env: { NODE_ENV: 'production' },
      user: '1000:1000',
      command: ['node', '--enable-source-maps', '/app/node_modules/otel-audit/dist/cli/main.js', '--help'],
    })
  })

  test('names one Node, with its version, and the version of this package', () => {
    expect(new Set(stages.map(({ image }) => image))).toEqual(new Set(['node:22.21.1-bookworm-slim']))
    expect(text).toContain(`--tag otel-audit:${MANIFEST.version} `)
  })

  test('gets what the build needs, and neither tests nor documents', () => {
    const paths = allowedPaths(read('deploy/otel-audit.Dockerfile.dockerignore'))
    expect(paths).toContain('src')
    expect(paths.filter((path) => /^(test|docs|node_modules|soak|\.)/.test(path))).toEqual([])
  })

  test('installs what the lock file has, and nothing else', () => {
    const directory = mkdtempSync(join(tmpdir(), 'otel-audit-image-packages-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    for (const file of ['package.json', 'package-lock.json'])
      copyFileSync(join(ROOT, file), join(directory, file))
    writeFileSync(join(directory, 'otel-audit-1.0.0.tgz'), '')
    execFileSync(process.execPath, [join(ROOT, 'deploy', 'image-packages.mjs')], { cwd: directory })
    const made = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>
      overrides: Record<string, string>
    }
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { version: string }>
    }
    expect(made.dependencies).toEqual({
      'otel-audit': 'file:otel-audit-1.0.0.tgz',
      ...Object.fromEntries(
        ['api', 'exporter-prometheus', 'sdk-metrics'].map((name) => [
          `@opentelemetry/${name}`,
          packages[`node_modules/@opentelemetry/${name}`]?.version,
        ]),
      ),
    })
    for (const name of ['pg', 'hono', 'lmdb', 'commander']) {
      expect(made.overrides[name], name).toBe(packages[`node_modules/${name}`]?.version)
    }
  })
})

test.each([
  ['an instruction that is not known', 'FROM a\nADD b c', 'not understood: ADD b c'],
  ['one before the first FROM', 'RUN x', 'before the first FROM'],
])('%s stops the check, and is not left out', (_, text, message) => {
  expect(() => parseDockerfile(text)).toThrow(message)
})

test('lines that go on are one, and comments none', () => {
  const [stage] = parseDockerfile('# of a\nFROM a AS b\nRUN one \\\n  two\n')
  expect(stage).toEqual({ image: 'a', name: 'b', instructions: [{ name: 'RUN', text: 'one two' }] })
})

test('a .dockerignore of another form is refused', () => {
  expect(() => allowedPaths('node_modules')).toThrow('not of the form')
})
