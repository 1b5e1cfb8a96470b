import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const DEV_PORT = 5173;
const SERVER = process.env.AGENT_BUILDER_DEV_SERVER || 'http://127.0.0.1:7860';
const DEV_ORIGINS = new Set([`http://localhost:${DEV_PORT}`, `http://127.0.0.1:${DEV_PORT}`]);

/**
 * The server checks Host and Origin. Only this dev server's own origin is translated: any other
 * one reaches the server as it is and is refused there, as it would be in production.
 */
function translateOrigin(proxyRequest, request) {
  if (DEV_ORIGINS.has(request.headers.origin)) {
    proxyRequest.setHeader('origin', new URL(SERVER).origin);
  }
}

/** Vite answers an unreachable server with an empty 500; the page needs to know that it is offline. */
function answerOffline(_error, _request, response) {
  if (response.headersSent || response.writableEnded) {
    response.destroy?.();
    return;
  }
  response.writeHead(502, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ detail: `No server at ${SERVER}`, code: 'offline' }));
}

const toServer = {
  target: SERVER,
  changeOrigin: true,
  configure(proxy) {
    proxy.on('proxyReq', translateOrigin);
    proxy.on('error', answerOffline);
  },
};

export default defineConfig({
  plugins: [react()],
  base: '/',
  server: {
    port: DEV_PORT,
    strictPort: true, // only this port's origin is translated for the server
    proxy: { '/api': toServer, '/healthz': toServer, '/metrics': toServer },
  },
  build: {
    outDir: '../server/static',
    emptyOutDir: true,
    sourcemap: false,
    rolldownOptions: {
      output: {
        // Libraries change less often than the page: their own chunks stay cached across releases.
        codeSplitting: {
          groups: [
            { name: 'react', test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/, priority: 2 },
            { name: 'highlight', test: /node_modules[\\/]highlight\.js[\\/]/, priority: 2 },
            { name: 'mantine', test: /node_modules[\\/].*\.(js|mjs|cjs)$/, priority: 1 },
          ],
        },
      },
    },
  },
  test: { include: ['test/**/*.test.js'], environment: 'node' },
});
