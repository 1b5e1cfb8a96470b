import './styles/mantine.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/form.css';
import './styles/sections.css';
import './styles/editor.css';
import './styles/code.css';
import './styles/run.css';
import './styles/files.css';
import './styles/notes.css';

import { MantineProvider } from '@mantine/core';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App.jsx';
import { openSessionFromAddress } from './page/session.js';
import { resolveVariables, theme } from './page/theme.js';

await openSessionFromAddress(window);

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={resolveVariables} defaultColorScheme="auto">
      <App />
    </MantineProvider>
  </StrictMode>,
);
