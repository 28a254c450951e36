import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as otel from '@opentelemetry/instrumentation'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Operation, Outcome } from '../../src/event/vocabulary.js'
import {
  type ClientHook,
  isHooked,
  markHooked,
  probed,
  replaceMethod,
} from '../../src/instrument/client-hook.js'
import {
  type InstrumentationPackage,
  secretInstrumentation,
} from '../../src/instrument/secret-instrumentation.js'
import { said, watched } from './watched.js'

interface FakeClient {
  get(name: string): Promise<string>
}
interface FakePackage {
  readonly Client: (new () => FakeClient) & { readonly prototype: FakeClient }
}

/** A package with one client, in one version, that the hook finds when it is loaded. */
function installed(name: string, version: string, source: string): () => FakePackage {
  const home = mkdtempSync(join(tmpdir(), 'otel-audit-client-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  const directory = join(home, 'node_modules', name)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name, version, main: 'index.js' }))
  writeFileSync(join(directory, 'index.js'), source)
  const load = createRequire(join(home, 'application.js'))
  return () => load(name) as FakePackage
}

const CLIENT = `exports.Client = class Client { async get(name) { return 'value of ' + name } }`

function fakeHook(name: string): ClientHook {
  return {
    name: 'fake',
    packages: [name],
    supportedVersions: ['*'],
    hook(exports, context) {
      const { prototype } = (exports as FakePackage).Client
      if (isHooked(prototype)) return { members: 'Client.prototype.get' }
      if (typeof prototype.get !== 'function') {
        context.copy.notHooked('Client.prototype.get is not there')
        return undefined
      }
      replaceMethod(prototype, 'get', (original) => {
        return function get(this: unknown, ...args: never[]) {
          return context.audited({
            describe: () => ({
              provider: 'fake',
              api: 'get',
              operation: Operation.GetCredential,
              credential: String(args[0]),
            }),
            call: () => original.apply(this, args) as Promise<unknown>,
            rows: () => [{ outcome: Outcome.Ok }],
            failure: () => ({ outcome: Outcome.Other }),
          })
        }
      })
      markHooked(prototype)
      return { members: 'Client.prototype.get' }
    },
    probe: (exports) => new (exports as FakePackage).Client().get('probe'),
  }
}

const base = otel as unknown as InstrumentationPackage
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a package that is loaded', () => {
  it('is hooked by name, whatever its version, and says so when its probe came back', async () => {
    const scene = watched()
    secretInstrumentation(base, scene.watch, [fakeHook('otel-audit-fake-a')])
    const { Client } = installed('otel-audit-fake-a', '99.0.0-rc.1', CLIENT)()
    expect(await new Client().get('db')).toBe('value of db')
    await settled()
    expect((await scene.rows()).map(said)).toMatchObject([
      { credential: 'db', provider: 'fake', seen: 'client' },
    ])
    expect(scene.watch.coverage.entries()).toMatchObject([
      {
        name: 'otel-audit-fake-a',
        version: '99.0.0-rc.1',
        state: 'hooked',
        hook: 'Client.prototype.get',
        calls: 1,
      },
    ])
  })

  it('that lacks the members, or whose hook throws, works on, and is said not to be hooked', async () => {
    const scene = watched()
    secretInstrumentation(base, scene.watch, [fakeHook('otel-audit-fake-b'), fakeHook('otel-audit-fake-c')])
    const other = installed('otel-audit-fake-b', '1.0.0', `exports.Client = class Client {}`)()
    const none = installed('otel-audit-fake-c', '1.0.0', `exports.Other = 1`)()
    expect([Object.keys(other), Object.keys(none)]).toEqual([['Client'], ['Other']])
    expect(scene.watch.coverage.entries()).toMatchObject([
      { name: 'otel-audit-fake-b', state: 'not_hooked', reason: 'Client.prototype.get is not there' },
      { name: 'otel-audit-fake-c', state: 'not_hooked', reason: expect.stringContaining('the hook threw') },
    ])
  })

  it('whose hook is switched off by name is left alone', () => {
    const scene = watched({}, { disable: new Set(['fake']) })
    const made = secretInstrumentation(base, scene.watch, [fakeHook('otel-audit-fake-d')])
    expect(made.getModuleDefinitions()).toEqual([])
  })
})

it('a probe tells who saw its call, and of what', async () => {
  const scene = watched()
  secretInstrumentation(base, scene.watch, [fakeHook('otel-audit-fake-e')])
  const { Client } = installed('otel-audit-fake-e', '1.0.0', CLIENT)()
  const key = { provider: 'fake', operation: 'get_credential', credentials: ['p'] }
  expect(await probed(() => new Client().get('p'))).toEqual([{ seen: 'client', key }])
  expect(await scene.rows()).toEqual([])
})

it('its changes are told to listeners, and counts are not', async () => {
  const scene = watched()
  const told: string[] = []
  scene.watch.coverage.onChange(({ name, state }) => told.push(`${name} ${state}`))
  secretInstrumentation(base, scene.watch, [fakeHook('otel-audit-fake-f')])
  const { Client } = installed('otel-audit-fake-f', '1.0.0', CLIENT)()
  await new Client().get('db')
  await settled()
  expect(told).toEqual(['otel-audit-fake-f hooked'])
})
