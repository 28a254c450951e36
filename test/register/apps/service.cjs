const { createServer } = require('node:http')
const api = require('@opentelemetry/api')
const { SecretAuditService } = require('otel-audit')
const pg = require('pg')
const { handlerFor, run } = require('./accesses.cjs')

const server = createServer()
const audit = SecretAuditService.fromEnv()
server.on('request', handlerFor({ audit, api, pg, released: run(server) }))
