import './page/mantine.css';
import './page/base.css';
import './page/layout.css';
import './form/form.css';
import './form/sections.css';
import './editor/editor.css';
import './code/code.css';
import './run/run.css';
import './grants/files.css';
import './code/notes.css';

import { MantineProvider } from '@mantine/core';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App.jsx';
import { openSessionFromAddress } from './page/session.js';
import { resolveVariables, theme } from './page/theme.js';

await openSessionFromAddress(window);

createRoot(/** @type {HTMLElement} */ (document.getElementById('root'))).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={resolveVariables} defaultColorScheme="auto">
      <App />
    </MantineProvider>
  </StrictMode>,
);
