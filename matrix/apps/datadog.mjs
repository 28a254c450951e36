import tracer from 'dd-trace'

const { TracerProvider } = tracer.init()
new TracerProvider().register()
