//! What the root DSE lists: that of slapd 2.5 on Debian 12, and of Windows Server since 2016.

pub(super) const OPENLDAP_CONTROLS: &[&str] = &[
    "2.16.840.1.113730.3.4.18",
    "2.16.840.1.113730.3.4.2",
    "1.3.6.1.4.1.4203.1.10.1",
    "1.3.6.1.1.22",
    "1.2.840.113556.1.4.319",
    "1.2.826.0.1.3344810.2.3",
    "1.3.6.1.1.13.2",
    "1.3.6.1.1.13.1",
    "1.3.6.1.1.12",
];

pub(super) const OPENLDAP_EXTENSIONS: &[&str] = &[
    "1.3.6.1.4.1.1466.20037",
    "1.3.6.1.4.1.4203.1.11.1",
    "1.3.6.1.4.1.4203.1.11.3",
    "1.3.6.1.1.8",
];

pub(super) const OPENLDAP_FEATURES: &[&str] = &[
    "1.3.6.1.1.14",
    "1.3.6.1.4.1.4203.1.5.1",
    "1.3.6.1.4.1.4203.1.5.2",
    "1.3.6.1.4.1.4203.1.5.3",
    "1.3.6.1.4.1.4203.1.5.4",
    "1.3.6.1.4.1.4203.1.5.5",
];

pub(super) const WINDOWS_POLICIES: &[&str] = &[
    "MaxPoolThreads",
    "MaxPercentDirSyncRequests",
    "MaxDatagramRecv",
    "MaxReceiveBuffer",
    "InitRecvTimeout",
    "MaxConnections",
    "MaxConnIdleTime",
    "MaxPageSize",
    "MaxBatchReturnMessages",
    "MaxQueryDuration",
    "MaxDirSyncDuration",
    "MaxTempTableSize",
    "MaxResultSetSize",
    "MinResultSets",
    "MaxResultSetsPerConn",
    "MaxNotificationPerConn",
    "MaxValRange",
    "MaxValRangeTransitive",
    "ThreadMemoryLimit",
    "SystemMemoryLimitPercent",
];

pub(super) const WINDOWS_CONTROLS: &[u16] = &[
    319, 801, 473, 528, 417, 619, 841, 529, 805, 521, 970, 1338, 474, 1339, 1340, 1413, 1504, 1852, 802, 1907, 1948,
    1974, 1341, 2026, 2064, 2065, 2066, 2090, 2205, 2204, 2206, 2211, 2239, 2255, 2256, 2309, 2330, 2354,
];
