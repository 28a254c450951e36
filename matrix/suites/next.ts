import assert from 'node:assert/strict'
import { freePorts } from '../../examples/wallet/demo/ports.js'
import { waitUntil } from '../../test/support/wait-until.js'
import { fakeProviders } from '../providers.js'
import type { Suite } from '../suite.js'
import { CLIENT_NAMES, clientApplication, REGISTER } from './clients.js'
import { readingSuite, type Service } from './reading.js'

export const NEXT_PACKAGES = ['next@^16.0.0', 'react@^19.0.0', 'react-dom@^19.0.0']

const NEXT = 'node_modules/next/dist/bin/next'
const OWN = { NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' }
const FILES = ['app/[client]/route.js', 'app/layout.js', 'next.config.mjs']

/** The clients in a route of Next.js: its bundler has them, and module hooks see nothing of them. */
export function nextSuite(): Suite {
  let port = 0
  return readingSuite(
    clientApplication('bundle', {
      name: 'clients, Next.js',
      about: ['next', ...CLIENT_NAMES],
      env: OWN,
      async prepare({ consumer }) {
        await consumer.take('matrix/apps', 'client-routes.mjs', 'serving.mjs')
        await consumer.take('matrix/apps/next', ...FILES)
        const { code, stdout, stderr } = await consumer.run([NEXT, 'build'], OWN)
        assert.equal(code, 0, `next build: ${stdout}${stderr}`)
        ;[port = 0] = await freePorts(1)
        return [...REGISTER, NEXT, 'start', '--hostname', '127.0.0.1', '--port', String(port)]
      },
      async serve(program): Promise<Service> {
        const base = `http://127.0.0.1:${port}`
        await waitUntil('Next.js to listen', () => {
          if (program.child.exitCode !== null) throw new Error(`it ended: ${program.stderr}`)
          return fetch(base).then(
            () => true,
            () => false,
          )
        })
        return {
          async get(path) {
            const response = await fetch(base + path)
            const body = await response.text()
            if (!response.ok) throw new Error(`${response.status} ${body}\n${program.stderr}`)
            return body
          },
        }
      },
    }),
    fakeProviders,
  )
}
