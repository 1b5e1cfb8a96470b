/** Sixteen-pixel line icons. They only accompany words, so assistive technology skips them. */

/** @param {{ children: import('react').ReactNode, size?: number }} props */
function Icon({ children, size = 16 }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const CheckIcon = () => <Icon><path d="M3 8.5l3.2 3.2L13 5" /></Icon>;
export const CrossIcon = () => <Icon><path d="M4 4l8 8M12 4l-8 8" /></Icon>;
export const CopyIcon = () => (
  <Icon><rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M10.5 5.5v-2A1 1 0 009.500 2.500h-6a1 1 0 00-1 1v6a1 1 0 001 1h2" /></Icon>
);
export const DownloadIcon = () => <Icon><path d="M8 2.500v7.500M5 7.200l3 3 3-3M3 13.500h10" /></Icon>;
export const PlayIcon = () => <Icon><path d="M5 3.200v9.600l7.500-4.800z" fill="currentColor" /></Icon>;
export const StopIcon = () => <Icon><rect x="4" y="4" width="8" height="8" rx="1" fill="currentColor" /></Icon>;
export const WarningIcon = () => <Icon><path d="M8 2.200l6.200 11H1.800zM8 6.500v3.200M8 11.600v.01" /></Icon>;
export const InfoIcon = () => <Icon><circle cx="8" cy="8" r="6" /><path d="M8 7.200v4M8 4.900v.01" /></Icon>;
export const ShieldIcon = () => <Icon><path d="M8 1.800l5 2v3.700c0 3.200-2.100 5.600-5 6.700-2.900-1.100-5-3.500-5-6.700V3.800z" /></Icon>;
export const KeyIcon = () => <Icon><circle cx="5.200" cy="10.800" r="2.700" /><path d="M7.200 8.800L13 3M10.800 5.200l2 2" /></Icon>;
export const SunIcon = () => (
  <Icon><circle cx="8" cy="8" r="2.800" /><path d="M8 1.500v1.300M8 13.200v1.300M1.500 8h1.300M13.200 8h1.300M3.400 3.400l.9.9M11.700 11.700l.9.9M3.400 12.600l.9-.9M11.700 4.300l.9-.9" /></Icon>
);
export const MoonIcon = () => <Icon><path d="M13.300 9.600A5.700 5.700 0 016.400 2.700a5.700 5.700 0 106.900 6.900z" /></Icon>;
export const ScreenIcon = () => <Icon><rect x="2" y="3" width="12" height="8" rx="1.200" /><path d="M6 13.500h4" /></Icon>;
export const ArrowDownIcon = () => <Icon><path d="M8 3v9.500M4.200 8.700L8 12.500l3.800-3.800" /></Icon>;
export const ArrowUpIcon = () => <Icon><path d="M8 13V3.500M4.200 7.300L8 3.500l3.800 3.800" /></Icon>;
export const ChevronIcon = () => <Icon><path d="M6 3.500L10.500 8 6 12.500" /></Icon>;
export const PlusIcon = () => <Icon><path d="M8 3v10M3 8h10" /></Icon>;
