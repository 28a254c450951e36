import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../spool/directories.js'
import { otelAudit } from './otel-audit.js'

interface Report {
  readonly ok: boolean
  readonly problems: readonly string[]
  readonly clients: readonly {
    readonly name: string
    readonly version: string
    readonly layer: string
    readonly bundled: string
    readonly paths: readonly string[]
  }[]
}

/** An application in which these packages are installed: path from its directory → `name@version`. */
function application(packages: Readonly<Record<string, string>>): string {
  const root = temporaryDirectory()
  for (const [path, installed] of Object.entries(packages)) {
    const [, name, version] = /^(.+)@([^@]+)$/.exec(installed) ?? []
    mkdirSync(join(root, path), { recursive: true })
    writeFileSync(join(root, path, 'package.json'), JSON.stringify({ name, version }))
  }
  return root
}

function link(root: string, from: string, to: string): void {
  mkdirSync(dirname(join(root, from)), { recursive: true })
  symlinkSync(join(root, to), join(root, from))
}

async function doctor(root: string): Promise<{ code: number | null; report: Report }> {
  const { code, stdout } = await otelAudit(['doctor', '--app', root, '--format', 'json'])
  return { code, report: JSON.parse(stdout) as Report }
}

const HOOKS = { 'node_modules/@opentelemetry/instrumentation': '@opentelemetry/instrumentation@0.223.0' }
const layers = ({ clients }: Report): string[] =>
  clients.map(({ name, version, layer }) => `${name}@${version} ${layer}`)

describe('otel-audit doctor --app', () => {
  test('says of each secret client what will see it, also in a bundle', async () => {
    const root = application({
      ...HOOKS,
      'node_modules/@aws-sdk/client-ssm': '@aws-sdk/client-ssm@3.1162.0',
      'node_modules/infisical-node': 'infisical-node@1.3.0',
      'node_modules/express': 'express@5.0.0',
    })
    const { code, report } = await doctor(root)
    expect(report).toMatchObject({
      ok: true,
      problems: [],
      clients: [
        {
          name: '@aws-sdk/client-ssm',
          layer: 'hook',
          bundled: 'wire',
          paths: ['node_modules/@aws-sdk/client-ssm'],
        },
        { name: 'infisical-node', layer: 'wire', bundled: 'wire' },
      ],
    })
    expect(code).toBe(0)
  })

  test('finds each version: nested, in workspaces, under an alias, and each copy once', async () => {
    const root = application({
      ...HOOKS,
      'node_modules/node-vault': 'node-vault@0.10.2',
      'node_modules/a/node_modules/node-vault': 'node-vault@0.9.0',
      'packages/api/node_modules/node-vault': 'node-vault@0.10.9',
      'packages/api': 'api@1.0.0',
      'node_modules/vault-of-old': 'node-vault@0.5.0',
    })
    link(root, 'node_modules/api', 'packages/api')
    const { report } = await doctor(root)
    expect(report.clients.map(({ version, paths }) => [version, paths.length])).toEqual([
      ['0.10.2', 1],
      ['0.10.9', 1],
      ['0.5.0', 1],
      ['0.9.0', 1],
    ])
  })

  test('finds what pnpm has in its store', async () => {
    const root = application({
      'node_modules/.pnpm/node-vault@0.10.2/node_modules/node-vault': 'node-vault@0.10.2',
      'node_modules/.pnpm/vault-of-b@1/node_modules/@opentelemetry/instrumentation':
        '@opentelemetry/instrumentation@0.223.0',
    })
    link(root, 'node_modules/node-vault', 'node_modules/.pnpm/node-vault@0.10.2/node_modules/node-vault')
    const { code, report } = await doctor(root)
    expect(report.clients).toMatchObject([{ version: '0.10.2', layer: 'hook', paths: [expect.any(String)] }])
    expect(code).toBe(0)
  })

  test.each([
    ['@1password/op-js', 'none'],
    ['@bitwarden/sdk-napi', 'none'],
  ])('exits with 1 when %s is there, which is %s', async (name, layer) => {
    const { code, report } = await doctor(
      application({ ...HOOKS, [`node_modules/${name}`]: `${name}@1.0.0` }),
    )
    expect(layers(report)).toEqual([`${name}@1.0.0 ${layer}`])
    expect(report.ok).toBe(false)
    expect(code).toBe(1)
  })

  test('says what is missing for hooks, and what is left of each client then', async () => {
    const root = application({
      'node_modules/@aws-sdk/client-kms': '@aws-sdk/client-kms@3.1.0',
      'node_modules/@google-cloud/secret-manager': '@google-cloud/secret-manager@6.0.0',
      'node_modules/@1password/sdk': '@1password/sdk@0.5.0',
    })
    const { code, report } = await doctor(root)
    expect(layers(report)).toEqual([
      '@1password/sdk@0.5.0 none',
      '@aws-sdk/client-kms@3.1.0 wire',
      '@google-cloud/secret-manager@6.0.0 none',
    ])
    expect(report.problems).toEqual([expect.stringContaining('npm install @opentelemetry/instrumentation')])
    expect(code).toBe(1)
  })

  test('does not say that all is covered where it saw nothing', async () => {
    const bare = await doctor(application({ '.': 'app@1.0.0' }))
    expect(bare).toMatchObject({
      code: 2,
      report: { ok: false, problems: [expect.stringContaining('node_modules')] },
    })
    const root = application({ '.': 'app@1.0.0' })
    writeFileSync(join(root, '.pnp.cjs'), '')
    expect(await doctor(root)).toMatchObject({
      code: 2,
      report: { problems: [expect.stringContaining('nodeLinker')] },
    })
    const none = await doctor(application({ 'node_modules/express': 'express@5.0.0' }))
    expect(none).toMatchObject({ code: 0, report: { ok: true, clients: [] } })
  })

  test('is a table for people, in which nothing of a package reaches the terminal', async () => {
    const root = application({ ...HOOKS, 'node_modules/node-vault': 'node-vault@1.0.0\u001b[31m' })
    const { stdout } = await otelAudit(['doctor', '--app', root])
    expect(stdout).toMatch(/^CLIENT +VERSION +COPIES +SEEN BY +IN A BUNDLE/m)
    expect(stdout).toMatch(/^node-vault +1\.0\.0\\u001b\[31m +1 +hook +wire/m)
    const none = await otelAudit(['doctor', '--app', application({ 'node_modules/x': 'x@1.0.0' })])
    expect(none.stdout).toContain('No known client of a secret manager.')
  })

  test('refuses what is not a directory', async () => {
    const { code, stderr } = await otelAudit(['doctor', '--app', '/nowhere/at/all'])
    expect(stderr).toContain('--app must be a directory, not /nowhere/at/all')
    expect(code).toBe(2)
  })
})
