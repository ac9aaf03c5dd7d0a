//! BER (ITU-T X.690), as LDAP, SNMP and `CredSSP` use it.
